using System.Runtime.InteropServices;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

/// <summary>io_uring refused as by a container's seccomp profile: a filter on one thread, gone with it.</summary>
public sealed unsafe partial class RefusalTests
{
    private const int NoNewPrivileges = 38;
    private const int SetSeccomp = 22;
    private const uint SetupNumber = 425;
    private const uint RegisterNumber = 427;

    [SkippableTheory]
    [InlineData(SetupNumber, Errno.EPERM, "kernel.io_uring_disabled")]
    [InlineData(SetupNumber, Errno.ENOSYS, "Linux 6.1 or newer")]
    [InlineData(SetupNumber, Errno.EINVAL, "Linux 6.1 or newer")]
    [InlineData(SetupNumber, Errno.ENOMEM, "RLIMIT_MEMLOCK")]
    [InlineData(RegisterNumber, Errno.EMFILE, "RLIMIT_NOFILE")]
    public void A_refused_ring_names_the_errno_and_the_mend(uint systemCall, int errno, string mend)
    {
        NativeException? refused = null;
        bool filtered = false;
        var thread = new Thread(() =>
        {
            filtered = Refuse(systemCall, errno);
            if (!filtered)
                return;
            try
            {
                using var ring = new IoRing(new IoRingOptions { DirectDescriptors = 16 });
            }
            catch (NativeException exception)
            {
                refused = exception;
            }
        });
        thread.Start();
        thread.Join();
        Skip.IfNot(filtered, "this sandbox allows no seccomp filter");
        Assert.NotNull(refused);
        Assert.Equal(errno, refused.Errno);
        Assert.Contains(Errno.Name(errno), refused.Message, StringComparison.Ordinal);
        Assert.Contains(mend, refused.Message, StringComparison.Ordinal);
    }

    // seccomp(2), classic BPF: load the call's number; equal -> errno; else allow.
    private static bool Refuse(uint systemCall, int errno)
    {
        Instruction* program = stackalloc Instruction[4];
        program[0] = new Instruction { Code = 0x20 };
        program[1] = new Instruction { Code = 0x15, IfFalse = 1, Value = systemCall };
        program[2] = new Instruction { Code = 0x06, Value = 0x00050000 | (uint)errno };
        program[3] = new Instruction { Code = 0x06, Value = 0x7FFF0000 };
        var filter = new Filter { Length = 4, Program = program };
        return Control(NoNewPrivileges, 1, 0, 0, 0) == 0 && Control(SetSeccomp, 2, (nint)(&filter), 0, 0) == 0;
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nint first, nint second, nint third, nint fourth);

    [StructLayout(LayoutKind.Sequential)]
    private struct Instruction
    {
        public ushort Code;
        public byte IfTrue;
        public byte IfFalse;
        public uint Value;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Filter
    {
        public ushort Length;
        public Instruction* Program;
    }
}
