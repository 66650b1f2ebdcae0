using FastExit.Native.Memory;

namespace FastExit.Native.IoUring;

// Reads and writes of descriptors that are no sockets and can be polled: a TUN queue, a pipe.
public sealed unsafe partial class IoRing
{
    /// <summary>Whether <see cref="PrepareReadMultishot"/> stays armed (Linux 6.7).</summary>
    public bool ReadMultishotGranted { get; }

    /// <summary>
    /// Reads into provided buffers, one buffer a read, until it fails, is cancelled or the buffers run dry (-ENOBUFS):
    /// whenever a completion lacks <see cref="Completion.More"/>, prepare it again. Where the kernel has no multishot
    /// read (before Linux 6.7) this is a poll and one read, whose completion lacks it every time; -EAGAIN then means
    /// that somebody else took what was there.
    /// </summary>
    /// <param name="descriptor">Plain file descriptor, or direct one if so said.</param>
    /// <param name="direct">What the descriptor is.</param>
    /// <param name="bufferGroup">A <see cref="ProvidedBufferRing"/>'s group.</param>
    /// <param name="userData">Comes back in each completion.</param>
    public void PrepareReadMultishot(int descriptor, bool direct, ushort bufferGroup, ulong userData)
    {
        EntryFlags file = direct ? EntryFlags.FixedFile : EntryFlags.None;
        if (!ReadMultishotGranted)
        {
            // A read of a non-blocking descriptor does not wait by itself.
            SubmissionEntry* poll = Take(Operation.PollAdd, descriptor, userData);
            poll->Flags = file | EntryFlags.SkipSuccess;
            poll->OperationFlags = KernelConstants.PollIn;
            LinkNext();
        }

        Operation operation = ReadMultishotGranted ? Operation.ReadMultishot : Operation.Read;
        SubmissionEntry* entry = Take(operation, descriptor, userData);
        entry->Flags = file | EntryFlags.BufferSelect;
        entry->BufferGroup = bufferGroup;
        entry->Offset = ulong.MaxValue;
    }

    /// <summary>Writes part of a region at once (Linux 5.6); it must stay unchanged until the completion.</summary>
    public void PrepareWrite(
        int descriptor, bool direct, PinnedRegion region, long offset, int length, ulong userData)
    {
        ArgumentNullException.ThrowIfNull(region);
        byte* address = region.At(offset, length);
        SubmissionEntry* entry = Take(Operation.Write, descriptor, userData);
        entry->Flags = direct ? EntryFlags.FixedFile : EntryFlags.None;
        entry->Address = (ulong)address;
        entry->Length = (uint)length;
        entry->Offset = ulong.MaxValue;
    }

    /// <summary>Writes a list's parts as one frame or run of bytes (Linux 5.1); list and memory must stay unchanged
    /// until the completion.</summary>
    public void PrepareWriteVectored(int descriptor, bool direct, GatherList list, ulong userData)
    {
        ArgumentNullException.ThrowIfNull(list);
        void* parts = list.Vector();
        SubmissionEntry* entry = Take(Operation.WriteVectored, descriptor, userData);
        entry->Flags = direct ? EntryFlags.FixedFile : EntryFlags.None;
        entry->Address = (ulong)parts;
        entry->Length = (uint)list.Count;
        entry->Offset = ulong.MaxValue;
    }

    // struct io_uring_probe: byte 0 is the highest operation that the kernel knows.
    private bool KernelKnows(Operation operation)
    {
        byte* probe = stackalloc byte[16];
        new Span<byte>(probe, 16).Clear();
        return Register(Registration.Probe, probe, 0) >= 0 && probe[0] >= (byte)operation;
    }
}
