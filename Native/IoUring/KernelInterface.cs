using System.Runtime.InteropServices;

namespace FastExit.Native.IoUring;

/// <summary>Submission queue entry, <c>struct io_uring_sqe</c>, 64 bytes. Named by what this program stores.</summary>
[StructLayout(LayoutKind.Explicit, Size = Bytes)]
internal struct SubmissionEntry
{
    public const int Bytes = 64;

    [FieldOffset(0)] public Operation Operation;
    [FieldOffset(1)] public EntryFlags Flags;
    [FieldOffset(2)] public ushort OperationModifiers;
    [FieldOffset(4)] public int Descriptor;
    [FieldOffset(8)] public ulong Offset;
    [FieldOffset(16)] public ulong Address;
    [FieldOffset(24)] public uint Length;
    [FieldOffset(28)] public uint OperationFlags;
    [FieldOffset(32)] public ulong UserData;
    [FieldOffset(40)] public ushort BufferGroup;
    [FieldOffset(44)] public uint FileIndex;
}

/// <summary>Completion queue entry, <c>struct io_uring_cqe</c>, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CompletionEntry
{
    public const int Bytes = 16;

    public ulong UserData;
    public int Result;
    public uint Flags;
}

/// <summary><c>struct io_uring_params</c>, 120 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RingParameters
{
    public uint SubmissionEntries;
    public uint CompletionEntries;
    public SetupFlags Flags;
    public uint PollThreadCore;
    public uint PollThreadIdle;
    public RingFeatures Features;
    public uint WorkQueueFd;
    public uint Reserved0;
    public uint Reserved1;
    public uint Reserved2;
    public SubmissionOffsets Submission;
    public CompletionOffsets Completion;
}

/// <summary><c>struct io_sqring_offsets</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SubmissionOffsets
{
    public uint Head;
    public uint Tail;
    public uint RingMask;
    public uint RingEntries;
    public uint Flags;
    public uint Dropped;
    public uint Array;
    public uint Reserved;
    public ulong UserAddress;
}

/// <summary><c>struct io_cqring_offsets</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CompletionOffsets
{
    public uint Head;
    public uint Tail;
    public uint RingMask;
    public uint RingEntries;
    public uint Overflow;
    public uint Entries;
    public uint Flags;
    public uint Reserved;
    public ulong UserAddress;
}

/// <summary><c>struct __kernel_timespec</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelTime
{
    public long Seconds;
    public long Nanoseconds;

    public static KernelTime From(TimeSpan span)
    {
        long ticks = Math.Max(span.Ticks, 0);
        return new KernelTime
        {
            Seconds = ticks / TimeSpan.TicksPerSecond,
            Nanoseconds = ticks % TimeSpan.TicksPerSecond * 100,
        };
    }
}

/// <summary><c>struct io_uring_getevents_arg</c>, the extended argument of io_uring_enter.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct WaitArgument
{
    public ulong SignalMask;
    public uint SignalMaskBytes;
    public uint MinimumWaitMicroseconds;
    public KernelTime* Timeout;
}

/// <summary><c>struct io_uring_rsrc_register</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResourceRegistration
{
    public const int Bytes = 32;
    public const uint Sparse = 1;

    public uint Count;
    public uint Flags;
    public ulong Reserved;
    public ulong Data;
    public ulong Tags;
}

/// <summary><c>struct io_uring_rsrc_update</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResourceUpdate
{
    public uint Offset;
    public uint Reserved;
    public ulong Data;
}

/// <summary><c>struct io_uring_sync_cancel_reg</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SynchronousCancel
{
    public ulong Address;
    public int Descriptor;
    public uint Flags;
    public KernelTime Timeout;
    public byte Opcode;
    public byte Padding0;
    public ushort Padding1;
    public uint Padding2;
    public ulong Padding3;
    public ulong Padding4;
    public ulong Padding5;
}

/// <summary><c>struct io_uring_buf_reg</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BufferRingRegistration
{
    public ulong RingAddress;
    public uint RingEntries;
    public ushort Group;
    public ushort Flags;
    public ulong Reserved0;
    public ulong Reserved1;
    public ulong Reserved2;
}

internal enum Operation : byte
{
    Nop = 0,
    WriteVectored = 2,
    PollAdd = 6,
    SendMessage = 9,
    Timeout = 11,
    TimeoutRemove = 12,
    Accept = 13,
    Cancel = 14,
    LinkTimeout = 15,
    Connect = 16,
    Close = 19,
    FilesUpdate = 20,
    Read = 22,
    Write = 23,
    Send = 26,
    Receive = 27,
    Shutdown = 34,
    MessageRing = 40,
    ReadMultishot = 49,
}

[Flags]
internal enum EntryFlags : byte
{
    None = 0,
    FixedFile = 1,
    Link = 4,
    BufferSelect = 32,
    SkipSuccess = 64,
}

[Flags]
internal enum SetupFlags : uint
{
    None = 0,
    CompletionSize = 1u << 3,
    Clamp = 1u << 4,
    SubmitAll = 1u << 7,
    TaskRunFlag = 1u << 9,
    SingleIssuer = 1u << 12,
    DeferTaskRun = 1u << 13,
    NoSubmissionArray = 1u << 16,
}

[Flags]
internal enum RingFeatures : uint
{
    None = 0,
    SingleMapping = 1u << 0,
    NoDrop = 1u << 1,
    SubmitStable = 1u << 2,
    ExtendedArgument = 1u << 8,
    SkipSuccess = 1u << 11,
    Bundles = 1u << 14,
}

[Flags]
internal enum EnterFlags : uint
{
    None = 0,
    GetEvents = 1u << 0,
    ExtendedArgument = 1u << 3,
    RegisteredRing = 1u << 4,
}

internal enum Registration : uint
{
    UnregisterFiles = 3,
    Probe = 8,
    RegisterFiles2 = 13,
    RegisterRingFds = 20,
    UnregisterRingFds = 21,
    RegisterBufferRing = 22,
    UnregisterBufferRing = 23,
    SynchronousCancel = 24,
}

internal static class KernelConstants
{
    public const uint SubmissionOverflowFlag = 1u << 1;
    public const uint SubmissionTaskRunFlag = 1u << 2;
    public const uint FileIndexAllocate = uint.MaxValue;

    public const ushort AcceptMultishot = 1 << 0;
    public const ushort ReceiveMultishot = 1 << 1;
    public const ushort Bundle = 1 << 4;

    public const uint CancelAll = 1u << 0;
    public const uint CancelDescriptor = 1u << 1;
    public const uint CancelAny = 1u << 2;
    public const uint CancelFixedDescriptor = 1u << 3;

    public const uint PollMultishot = 1u << 0;
    public const uint PollIn = 1;

    public const uint MessageWaitAll = 0x100;
    public const uint MessageNoSignal = 0x4000;

    public const long SubmissionEntriesOffset = 0x10000000;
}

/// <summary>The three system calls. <c>syscall(2)</c> answers -1 and sets errno on failure.</summary>
internal static unsafe partial class IoUringCalls
{
    private const nint SetupNumber = 425;
    private const nint EnterNumber = 426;
    private const nint RegisterNumber = 427;

    /// <summary>The ring's fd, or -errno.</summary>
    public static int Setup(uint entries, RingParameters* parameters)
    {
        nint result = SystemCall(SetupNumber, (nint)entries, (nint)parameters, 0, 0, 0, 0);
        return result < 0 ? -Marshal.GetLastPInvokeError() : (int)result;
    }

    /// <summary>Entries submitted, or -errno.</summary>
    public static int Enter(int ring, uint submit, uint minimum, EnterFlags flags, WaitArgument* argument)
    {
        nint bytes = argument == null ? 0 : sizeof(WaitArgument);
        nint result = SystemCall(
            EnterNumber, ring, (nint)submit, (nint)minimum, (nint)(uint)flags, (nint)argument, bytes);
        return result < 0 ? -Marshal.GetLastPInvokeError() : (int)result;
    }

    /// <summary>The call's own result, or -errno.</summary>
    public static int Register(int ring, Registration registration, void* argument, uint count)
    {
        nint result = SystemCall(RegisterNumber, ring, (nint)(uint)registration, (nint)argument, (nint)count, 0, 0);
        return result < 0 ? -Marshal.GetLastPInvokeError() : (int)result;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(
        nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);
}
