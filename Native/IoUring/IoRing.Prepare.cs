using System.Diagnostics;
using System.Runtime.CompilerServices;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using static Tmds.Linux.LibC;

namespace FastExit.Native.IoUring;

// Every Prepare call takes one submission entry. When the queue is full, what was prepared is submitted first.
public sealed unsafe partial class IoRing
{
    /// <summary>Reserved: completions that carry it are not handed out.</summary>
    public const ulong InstallUserData = ulong.MaxValue;

    // Room beside each submission entry for what the kernel reads by address while submitting (sockaddr, timespec).
    // SUBMIT_STABLE: it has its own copy once the entry is submitted, so the slot is free with the entry.
    private const int ArgumentSlotBytes = 32;

    // The kernel maps at most this many provided buffers at once.
    private const int MaximumBundleBuffers = 256;

    /// <summary>Accepts until it fails or is cancelled; each completion's result is a direct descriptor that the
    /// kernel chose. -ENFILE when the table is full: that connection is lost and the accept must be prepared
    /// again.</summary>
    public void PrepareAcceptMultishot(int listenerFd, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.Accept, listenerFd, userData);
        entry->OperationModifiers = KernelConstants.AcceptMultishot;
        entry->FileIndex = KernelConstants.FileIndexAllocate;
    }

    /// <summary>As <see cref="PrepareAcceptMultishot"/>, but each completion's result is an ordinary descriptor, for <see cref="Adopt"/>.</summary>
    public void PrepareAcceptOrdinary(int listenerFd, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.Accept, listenerFd, userData);
        entry->OperationModifiers = KernelConstants.AcceptMultishot;
        entry->OperationFlags = (uint)SOCK_CLOEXEC;
    }

    /// <summary>
    /// Receives once into provided buffers, at most <paramref name="maximumBytes"/> (0: no limit but the buffers).
    /// With <paramref name="bundle"/> several buffers may be filled; then the group's buffers must share one length.
    /// </summary>
    public void PrepareReceive(int direct, ushort bufferGroup, int maximumBytes, bool bundle, ulong userData)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maximumBytes);
        bool granted = bundle && bundlesGranted;
        if (granted && maximumBytes > 0)
            maximumBytes = LimitBundle(bufferGroup, maximumBytes, out granted);
        SubmissionEntry* entry = TakeDirect(Operation.Receive, direct, userData);
        entry->Flags |= EntryFlags.BufferSelect;
        entry->BufferGroup = bufferGroup;
        entry->Length = (uint)maximumBytes;
        if (granted)
            entry->OperationModifiers = KernelConstants.Bundle;
    }

    /// <summary>Receives into provided buffers until the stream ends, fails, is cancelled or the buffers run dry
    /// (-ENOBUFS): whenever a completion lacks <see cref="Completion.More"/>, prepare it again.</summary>
    public void PrepareReceiveMultishot(int direct, ushort bufferGroup, bool bundle, ulong userData)
    {
        SubmissionEntry* entry = TakeDirect(Operation.Receive, direct, userData);
        entry->Flags |= EntryFlags.BufferSelect;
        entry->BufferGroup = bufferGroup;
        entry->OperationModifiers = KernelConstants.ReceiveMultishot;
        if (bundle && bundlesGranted)
            entry->OperationModifiers |= KernelConstants.Bundle;
    }

    /// <summary>Sends part of a region, which must stay unchanged until the completion. A dead peer is -EPIPE or
    /// -ECONNRESET, never a signal.</summary>
    /// <param name="direct">Direct descriptor.</param>
    /// <param name="region">Where the bytes are.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="waitAll">Keep going until everything is sent; else the result may be short.</param>
    /// <param name="userData">Comes back in the completion.</param>
    public void PrepareSend(int direct, PinnedRegion region, long offset, int length, bool waitAll, ulong userData)
    {
        ArgumentNullException.ThrowIfNull(region);
        byte* address = region.At(offset, length);
        SubmissionEntry* entry = TakeDirect(Operation.Send, direct, userData);
        entry->Address = (ulong)address;
        entry->Length = (uint)length;
        entry->OperationFlags = SendFlags(waitAll);
    }

    /// <summary>Sends a list's parts in order; list and memory must stay unchanged until the completion.</summary>
    public void PrepareSendVectored(int direct, GatherList list, bool waitAll, ulong userData)
    {
        ArgumentNullException.ThrowIfNull(list);
        void* message = list.Message();
        SubmissionEntry* entry = TakeDirect(Operation.SendMessage, direct, userData);
        entry->Address = (ulong)message;
        entry->Length = 1;
        entry->OperationFlags = SendFlags(waitAll);
    }

    public void PrepareConnect(int direct, EndpointAddress address, ulong userData)
    {
        SubmissionEntry* entry = TakeDirect(Operation.Connect, direct, userData);
        byte* slot = ArgumentSlot(entry);
        entry->Offset = (ulong)address.WriteSocketAddress(new Span<byte>(slot, ArgumentSlotBytes));
        entry->Address = (ulong)slot;
    }

    /// <summary>Links the operation prepared last to the next one, which starts when it has succeeded.</summary>
    /// <exception cref="InvalidOperationException">Nothing is prepared, or the chain outgrows the queue.</exception>
    public void LinkNext()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (Pending() == 0)
            throw new InvalidOperationException("No prepared operation to link from");
        if (Pending() == 1 || (Entry(submissionTail - 2)->Flags & EntryFlags.Link) == 0)
            chainStart = submissionTail - 1;

        // A chain that is submitted in two parts is no chain: make room for its next entry now, submitting only
        // what stands before it.
        if (Pending() == queues.SubmissionEntries)
        {
            if (submissionTail - chainStart == queues.SubmissionEntries)
                throw new InvalidOperationException("A chain of linked operations must fit the submission queue");
            SubmitUntil(chainStart);
        }

        Entry(submissionTail - 1)->Flags |= EntryFlags.Link;
    }

    /// <summary>Bounds the operation before it, which must have been linked: whichever of the two loses completes
    /// with -ECANCELED; a timeout that wins completes with -ETIME.</summary>
    public void PrepareLinkedTimeout(TimeSpan after, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.LinkTimeout, -1, userData);
        SetTime(entry, after);
    }

    /// <summary>Ends one or both directions of a connection; the descriptor stays open.</summary>
    public void PrepareShutdown(int direct, bool write, bool read, ulong userData)
    {
        if (!write && !read)
            throw new ArgumentException("A shutdown ends at least one direction", nameof(write));
        SubmissionEntry* entry = TakeDirect(Operation.Shutdown, direct, userData);
        entry->Length = (uint)(write && read ? SHUT_RDWR : write ? SHUT_WR : SHUT_RD);
    }

    /// <summary>Frees the direct slot and drops the ring's hold on the socket. Operations still in flight keep the
    /// socket alive: cancel them first.</summary>
    public void PrepareClose(int direct, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.Close, 0, userData);
        entry->FileIndex = (uint)direct + 1;
    }

    /// <summary>Cancels operations by the value they were prepared with. Result: with <paramref name="all"/> how
    /// many, else 0; -ENOENT when there is none, -EALREADY when one is beyond recall and will complete by itself.
    /// </summary>
    public void PrepareCancel(ulong targetUserData, bool all, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.Cancel, -1, userData);
        entry->Address = targetUserData;
        entry->OperationFlags = all ? KernelConstants.CancelAll : 0;
    }

    /// <summary>Cancels everything in flight on one direct descriptor; result: how many.</summary>
    public void PrepareCancelDescriptor(int direct, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.Cancel, direct, userData);
        entry->OperationFlags = KernelConstants.CancelAll | KernelConstants.CancelDescriptor
            | KernelConstants.CancelFixedDescriptor;
    }

    /// <summary>Completes with -ETIME after the given time, with -ECANCELED when removed.</summary>
    public void PrepareTimeout(TimeSpan after, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.Timeout, -1, userData);
        SetTime(entry, after);
    }

    /// <summary>Removes a timeout; -ENOENT when it has completed already.</summary>
    public void PrepareTimeoutRemove(ulong targetUserData, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.TimeoutRemove, -1, userData);
        entry->Address = targetUserData;
    }

    /// <summary>Puts a completion into another ring: there it has <paramref name="targetUserData"/> and
    /// <paramref name="value"/> as its result; here it completes with 0 (-EBADF when that
    /// descriptor is closed, -EBADFD when it is no ring).</summary>
    public void PrepareMessage(int targetRingFd, ulong targetUserData, int value, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.MessageRing, targetRingFd, userData);
        entry->Offset = targetUserData;
        entry->Length = (uint)value;
    }

    /// <summary>Reads from an ordinary, blocking descriptor: an <see cref="EventSignal"/>.</summary>
    public void PrepareRead(int fd, PinnedRegion region, long offset, int length, ulong userData)
    {
        ArgumentNullException.ThrowIfNull(region);
        byte* address = region.At(offset, length);
        SubmissionEntry* entry = Take(Operation.Read, fd, userData);
        entry->Address = (ulong)address;
        entry->Length = (uint)length;
        entry->Offset = ulong.MaxValue;
    }

    /// <summary>Completes with the poll mask whenever an ordinary descriptor becomes readable.</summary>
    public void PreparePollMultishot(int fd, ulong userData)
    {
        SubmissionEntry* entry = Take(Operation.PollAdd, fd, userData);
        entry->Length = KernelConstants.PollMultishot;
        entry->OperationFlags = KernelConstants.PollIn;
    }

    public void PrepareNop(ulong userData) => Take(Operation.Nop, -1, userData);

    /// <summary>
    /// Puts an ordinary socket into a free direct slot at once, submitting everything prepared before. The caller
    /// then closes its own descriptor; the slot keeps the socket.
    /// </summary>
    /// <returns>The slot, or -errno: -ENFILE when the table is full, -EBADF when fd is not open, -EAGAIN when
    /// untaken completions fill their queue and the process has no descriptor to spare.</returns>
    public int Install(int fd)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (Pending() > 0 && (Entry(submissionTail - 1)->Flags & EntryFlags.Link) != 0)
            throw new InvalidOperationException("A chain of linked operations is open");
        SubmitUntil(submissionTail);
        Release();

        // The kernel overwrites the word with the slot. A failure says so only in a completion, so word and slot
        // must differ, or the completion queue must have room to show that there is no failure.
        int source = fd;
        if (CompletionRoom() == 0)
        {
            source = fcntl(fd, F_DUPFD_CLOEXEC, DirectDescriptorLimit);
            if (source < 0)
                return -Errno.EAGAIN;
        }

        *installWord = source;
        uint before = Volatile.Read(ref *queues.CompletionTail);
        SubmissionEntry* entry = Take(Operation.FilesUpdate, -1, InstallUserData);
        entry->Flags = EntryFlags.SkipSuccess;
        entry->Offset = KernelConstants.FileIndexAllocate;
        entry->Address = (ulong)installWord;
        entry->Length = 1;
        SubmitUntil(submissionTail);
        int result = *installWord;
        if (source != fd)
        {
            _ = close(source);
            return result == source ? -Errno.ENFILE : result;
        }

        for (uint at = before; at != Volatile.Read(ref *queues.CompletionTail); at++)
        {
            CompletionEntry* completion = queues.Completions + (at & queues.CompletionMask);
            if (completion->UserData == InstallUserData)
                return completion->Result;
        }

        return result;
    }

    /// <summary>
    /// Moves an accepted socket into a direct slot (<see cref="Install"/>) and says whose it is, which the kernel does not tell of a
    /// socket that has no ordinary descriptor. The descriptor is closed, whatever the result.
    /// </summary>
    /// <returns>The slot, or -errno; -ENOTCONN when the peer has gone again.</returns>
    public int Adopt(int fd, out EndpointAddress peer)
    {
        int direct = SocketDescriptor.TryPeerAddress(fd, out peer) ? Install(fd) : -Errno.ENOTCONN;
        _ = close(fd);
        return direct;
    }

    /// <summary>
    /// A fresh unconnected TCP socket (TCP_NODELAY, SO_KEEPALIVE) in a free direct slot: no object, no ordinary descriptor left.
    /// </summary>
    /// <returns>The slot, or -errno: -EMFILE or -ENFILE when descriptors are used up.</returns>
    public int OpenTcp(bool ipv6)
    {
        int fd = SocketDescriptor.CreateTcp(ipv6);
        if (fd < 0)
            return fd;
        int direct = Install(fd);
        _ = close(fd);
        return direct;
    }

    private static uint SendFlags(bool waitAll) =>
        KernelConstants.MessageNoSignal | (waitAll ? KernelConstants.MessageWaitAll : 0);

    // Linux 6.15 and later append a second helping to a bundle whose buffers were all filled, however small the
    // limit was; they do not where the limit ended inside a buffer. So the limit is never a whole number of buffers.
    private int LimitBundle(ushort group, int maximumBytes, out bool bundle)
    {
        int length = group < groups.Length ? groups[group]?.UniformLength ?? 0 : 0;
        bundle = length > 0 && maximumBytes > length;
        if (!bundle)
            return maximumBytes;
        long most = ((long)length * (MaximumBundleBuffers - 1)) - 1;
        int limit = (int)Math.Min(maximumBytes, most);
        return limit % length == 0 ? limit - 1 : limit;
    }

    private void SetTime(SubmissionEntry* entry, TimeSpan after)
    {
        byte* slot = ArgumentSlot(entry);
        *(KernelTime*)slot = KernelTime.From(after);
        entry->Address = (ulong)slot;
        entry->Length = 1;
    }

    private byte* ArgumentSlot(SubmissionEntry* entry) =>
        argumentSlots + ((entry - queues.Entries) * ArgumentSlotBytes);

    private SubmissionEntry* Entry(uint position) => queues.Entries + (position & queues.SubmissionMask);

    private uint CompletionRoom()
    {
        if ((Volatile.Read(ref *queues.SubmissionFlags) & KernelConstants.SubmissionOverflowFlag) != 0)
            return 0;
        return queues.CompletionEntries - (Volatile.Read(ref *queues.CompletionTail) - completionHead);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private SubmissionEntry* TakeDirect(Operation operation, int direct, ulong userData)
    {
        SubmissionEntry* entry = Take(operation, direct, userData);
        entry->Flags = EntryFlags.FixedFile;
        return entry;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private SubmissionEntry* Take(Operation operation, int descriptor, ulong userData)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (Pending() == queues.SubmissionEntries)
            SubmitUntil(submissionTail);
        Debug.Assert(userData != InstallUserData || operation == Operation.FilesUpdate, "reserved user data");
        SubmissionEntry* entry = Entry(submissionTail);
        submissionTail++;
        *entry = default;
        entry->Operation = operation;
        entry->Descriptor = descriptor;
        entry->UserData = userData;
        return entry;
    }

    // Submits the entries before a position and does not come back until the kernel has taken them.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void SubmitUntil(uint position)
    {
        int refusals = 0;
        while ((int)(position - Volatile.Read(ref *queues.SubmissionHead)) > 0)
        {
            uint count = position - Volatile.Read(ref *queues.SubmissionHead);
            int result = Enter(count, 0, EnterFlags.None, null);
            if (result > 0 || result == -Errno.EINTR)
                continue;
            // Out of request memory or a backlog to bring in first: both pass.
            if (result is not (-Errno.EAGAIN or -Errno.EBUSY or -Errno.ENOMEM or 0) || ++refusals > 1000)
                throw new NativeException("submitting to an io_uring", -result, ResourceMend.For(-result));
            Release();
            _ = Enter(0, 0, EnterFlags.GetEvents, null);
            _ = sched_yield();
        }
    }
}
