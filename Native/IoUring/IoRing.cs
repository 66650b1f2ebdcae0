using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using static Tmds.Linux.LibC;

namespace FastExit.Native.IoUring;

/// <summary>
/// One io_uring (<c>io_uring(7)</c>) by raw system calls, for one thread: create, use and dispose it on the same
/// thread, which alone may submit (SINGLE_ISSUER); the kernel finishes operations only inside that thread's
/// <see cref="Submit"/> and <see cref="SubmitAndWait"/> (DEFER_TASKRUN). Other threads reach it through
/// <see cref="PrepareMessage"/> on their own rings or through an <see cref="EventSignal"/>.
/// Sockets are direct descriptors: slots of a table in the ring, not process file descriptors.
/// Needs Linux 6.1; receive bundles need 6.10 and fall back to single buffers.
/// </summary>
public sealed unsafe partial class IoRing : IDisposable
{
    private const SetupFlags RequiredFlags = SetupFlags.CompletionSize | SetupFlags.Clamp | SetupFlags.SubmitAll
        | SetupFlags.SingleIssuer | SetupFlags.DeferTaskRun | SetupFlags.TaskRunFlag;

    private const RingFeatures RequiredFeatures = RingFeatures.SingleMapping | RingFeatures.NoDrop
        | RingFeatures.SubmitStable | RingFeatures.ExtendedArgument | RingFeatures.SkipSuccess;

    private readonly RingMapping queues;
    private readonly byte* argumentSlots;
    private readonly int* installWord;
    private readonly bool bundlesGranted;
    private ProvidedBufferRing?[] groups = [];
    private int enterFd;
    private EnterFlags enterFlags;
    private uint submissionTail;
    private uint completionHead;
    private uint chainStart;
    private bool disposed;

    /// <exception cref="NativeException">io_uring is refused, too old, or out of a resource.</exception>
    public IoRing(IoRingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.SubmissionEntries);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.CompletionEntries);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.DirectDescriptors);

        RingParameters parameters = Create(options, out int fd);
        Fd = fd;
        enterFd = fd;
        try
        {
            if ((parameters.Features & RequiredFeatures) != RequiredFeatures)
                throw new NativeException("creating an io_uring", Errno.EINVAL, RingRefusal.KernelMend);
            bundlesGranted = (parameters.Features & RingFeatures.Bundles) != 0;
            queues = new RingMapping(fd, parameters);
            RegisterOwnDescriptor();
            DirectDescriptorLimit = RegisterDirectDescriptors(options.DirectDescriptors);
            ReadMultishotGranted = options.ReadMultishot && KernelKnows(Operation.ReadMultishot);
        }
        catch
        {
            UnregisterOwnDescriptor();
            queues?.Dispose();
            _ = close(fd);
            throw;
        }

        nuint slotBytes = queues.SubmissionEntries * (nuint)ArgumentSlotBytes;
        argumentSlots = (byte*)NativeMemory.AllocZeroed(slotBytes + sizeof(long));
        installWord = (int*)(argumentSlots + slotBytes);
    }

    /// <summary>The plain file descriptor: the target of messages from other rings.</summary>
    public int Fd { get; }

    /// <summary>Slots in the table of direct descriptors.</summary>
    public int DirectDescriptorLimit { get; }

    /// <summary>Whether the kernel takes several provided buffers for one receive.</summary>
    public bool BundlesGranted => bundlesGranted;

    /// <summary>How often the completion queue was found full, with a backlog in the kernel: nothing is lost, but a
    /// larger queue or earlier taking would be faster.</summary>
    public long Overflows { get; private set; }

    /// <summary>Completions that the kernel had no memory to keep: lost for good. Stays 0 on a healthy host.</summary>
    public long Dropped => disposed ? 0 : Volatile.Read(ref *queues.CompletionDropped);

    /// <summary>io_uring_enter calls so far.</summary>
    public long Enters { get; private set; }

    /// <summary>Submits everything prepared without waiting, finishes what the kernel has deferred to this thread,
    /// and brings in a backlog of completions. With nothing of the kind to do it costs no system call.</summary>
    /// <returns>Operations submitted, or -errno.</returns>
    public int Submit()
    {
        Release();
        const uint Work = KernelConstants.SubmissionOverflowFlag | KernelConstants.SubmissionTaskRunFlag;
        if (Pending() == 0 && (Volatile.Read(ref *queues.SubmissionFlags) & Work) == 0)
            return 0;
        int result = Enter(Pending(), 0, EnterFlags.GetEvents, null);
        return result is -Errno.EINTR or -Errno.ETIME ? 0 : result;
    }

    /// <summary>As <see cref="Submit"/>, then blocks until at least that many completions can be taken, the timeout
    /// ends or a signal interrupts.</summary>
    /// <param name="minimumCompletions">Counts completions not yet taken.</param>
    /// <param name="timeout">Zero does not wait; negative waits for ever.</param>
    /// <returns>Zero or more, or -errno; a timeout is not an error.</returns>
    public int SubmitAndWait(int minimumCompletions, TimeSpan timeout)
    {
        if (minimumCompletions <= 0 || timeout == TimeSpan.Zero)
            return Submit();

        Release();
        KernelTime time = KernelTime.From(timeout);
        var argument = new WaitArgument { Timeout = timeout < TimeSpan.Zero ? null : &time };
        int result = Enter(
            Pending(), (uint)minimumCompletions, EnterFlags.GetEvents | EnterFlags.ExtendedArgument, &argument);
        return result is -Errno.EINTR or -Errno.ETIME ? 0 : result;
    }

    /// <summary>The next completion in the kernel's order; false when none is there. Never enters the kernel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryTake(out Completion completion)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        while (completionHead != Volatile.Read(ref *queues.CompletionTail))
        {
            CompletionEntry* entry = queues.Completions + (completionHead & queues.CompletionMask);
            completionHead++;
            if (entry->UserData == InstallUserData)
                continue;
            completion = new Completion(entry->UserData, entry->Result, entry->Flags);
            return true;
        }

        completion = default;
        return false;
    }

    /// <summary>Gives the room of taken completions back to the kernel; the Submit calls do so too.</summary>
    public void Release()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Volatile.Write(ref *queues.CompletionHead, completionHead);
    }

    /// <summary>
    /// Cancels and awaits whatever is in flight, closes every direct descriptor and the ring. Memory given to the
    /// ring may be freed afterwards. On another thread than the ring's own the kernel tears down later, when the
    /// ring's thread has ended.
    /// </summary>
    public void Dispose()
    {
        if (disposed)
            return;

        var everything = new SynchronousCancel
        {
            Descriptor = -1,
            Flags = KernelConstants.CancelAll | KernelConstants.CancelAny,
            Timeout = new KernelTime { Seconds = 1 },
        };
        _ = Register(Registration.SynchronousCancel, &everything, 1);
        DrainCancelled();
        _ = Register(Registration.UnregisterFiles, null, 0);
        foreach (ProvidedBufferRing? group in groups)
            group?.Dispose();
        UnregisterOwnDescriptor();
        disposed = true;
        queues.Dispose();
        _ = close(Fd);
        NativeMemory.Free(argumentSlots);
    }

    internal int Register(Registration registration, void* argument, uint count) =>
        IoUringCalls.Register(Fd, registration, argument, count);

    internal void Attach(ProvidedBufferRing group)
    {
        if (groups.Length <= group.Group)
            Array.Resize(ref groups, group.Group + 1);
        groups[group.Group] = group;
    }

    internal void Detach(ProvidedBufferRing group)
    {
        groups[group.Group] = null;
        var registration = new BufferRingRegistration { Group = group.Group };
        _ = Register(Registration.UnregisterBufferRing, &registration, 1);
    }

    // Cancelled operations finish as deferred work, which may itself defer more: enter until nothing new completes.
    private void DrainCancelled()
    {
        uint seen;
        do
        {
            completionHead = seen = Volatile.Read(ref *queues.CompletionTail);
            Release();
            _ = Enter(0, 0, EnterFlags.GetEvents, null);
        }
        while (seen != Volatile.Read(ref *queues.CompletionTail));
    }

    private uint Pending() => submissionTail - Volatile.Read(ref *queues.SubmissionHead);

    private int Enter(uint submit, uint minimum, EnterFlags flags, WaitArgument* argument)
    {
        Volatile.Write(ref *queues.SubmissionTail, submissionTail);
        Enters++;
        int result = IoUringCalls.Enter(enterFd, submit, minimum, flags | enterFlags, argument);
        if ((Volatile.Read(ref *queues.SubmissionFlags) & KernelConstants.SubmissionOverflowFlag) != 0)
            Overflows++;
        return result;
    }

    private static RingParameters Create(IoRingOptions options, out int fd)
    {
        SetupFlags flags = RequiredFlags | SetupFlags.NoSubmissionArray;
        while (true)
        {
            var parameters = new RingParameters
            {
                CompletionEntries = (uint)Math.Max(options.CompletionEntries, options.SubmissionEntries),
                Flags = flags,
            };
            fd = IoUringCalls.Setup((uint)options.SubmissionEntries, &parameters);
            if (fd >= 0)
                return parameters;
            // NO_SQARRAY came with Linux 6.6, the rest with 6.1.
            if (fd != -Errno.EINVAL || (flags & SetupFlags.NoSubmissionArray) == 0)
                throw RingRefusal.For(-fd);
            flags = RequiredFlags;
        }
    }

    // A registered ring fd spares a file look-up in every enter; without it the plain fd works as well.
    private void RegisterOwnDescriptor()
    {
        var update = new ResourceUpdate { Offset = uint.MaxValue, Data = (ulong)Fd };
        if (Register(Registration.RegisterRingFds, &update, 1) == 1)
        {
            enterFd = (int)update.Offset;
            enterFlags = EnterFlags.RegisteredRing;
        }
    }

    private void UnregisterOwnDescriptor()
    {
        if (enterFlags != EnterFlags.RegisteredRing)
            return;
        var update = new ResourceUpdate { Offset = (uint)enterFd };
        _ = Register(Registration.UnregisterRingFds, &update, 1);
        enterFd = Fd;
        enterFlags = EnterFlags.None;
    }

    private int RegisterDirectDescriptors(int wanted)
    {
        int granted = DescriptorLimit.RaiseTo(wanted);
        var registration = new ResourceRegistration { Count = (uint)granted, Flags = ResourceRegistration.Sparse };
        int result = Register(Registration.RegisterFiles2, &registration, ResourceRegistration.Bytes);
        if (result < 0)
        {
            throw new NativeException(
                $"registering {granted} direct descriptors", -result, ResourceMend.For(-result));
        }

        return granted;
    }
}
