using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.IoUring;

/// <summary>The memory that one ring shares with the kernel: both queues in one mapping, the entries in another.
/// Queue positions are free-running 32-bit counters; a mask makes an index of them.</summary>
internal sealed unsafe class RingMapping : IDisposable
{
    private const int ProtectReadWrite = 3;

    private readonly byte* queues;
    private readonly ulong queueBytes;
    private readonly ulong entryBytes;

    public RingMapping(int fd, in RingParameters parameters)
    {
        SubmissionEntries = parameters.SubmissionEntries;
        CompletionEntries = parameters.CompletionEntries;
        bool indirect = (parameters.Flags & SetupFlags.NoSubmissionArray) == 0;
        queueBytes = parameters.Completion.Entries + parameters.CompletionEntries * (ulong)CompletionEntry.Bytes;
        if (indirect)
        {
            queueBytes = Math.Max(
                queueBytes, parameters.Submission.Array + parameters.SubmissionEntries * (ulong)sizeof(uint));
        }

        entryBytes = parameters.SubmissionEntries * (ulong)SubmissionEntry.Bytes;
        queues = Map(fd, queueBytes, 0);
        try
        {
            Entries = (SubmissionEntry*)Map(fd, entryBytes, KernelConstants.SubmissionEntriesOffset);
        }
        catch
        {
            _ = munmap(queues, (size_t)queueBytes);
            throw;
        }

        SubmissionHead = (uint*)(queues + parameters.Submission.Head);
        SubmissionTail = (uint*)(queues + parameters.Submission.Tail);
        SubmissionMask = *(uint*)(queues + parameters.Submission.RingMask);
        SubmissionFlags = (uint*)(queues + parameters.Submission.Flags);
        CompletionHead = (uint*)(queues + parameters.Completion.Head);
        CompletionTail = (uint*)(queues + parameters.Completion.Tail);
        CompletionMask = *(uint*)(queues + parameters.Completion.RingMask);
        CompletionDropped = (uint*)(queues + parameters.Completion.Overflow);
        Completions = (CompletionEntry*)(queues + parameters.Completion.Entries);

        if (indirect)
        {
            uint* order = (uint*)(queues + parameters.Submission.Array);
            for (uint index = 0; index < SubmissionEntries; index++)
                order[index] = index;
        }
    }

    public uint SubmissionEntries { get; }

    public uint CompletionEntries { get; }

    public SubmissionEntry* Entries { get; }

    public uint* SubmissionHead { get; }

    public uint* SubmissionTail { get; }

    public uint SubmissionMask { get; }

    public uint* SubmissionFlags { get; }

    public uint* CompletionHead { get; }

    public uint* CompletionTail { get; }

    public uint CompletionMask { get; }

    public uint* CompletionDropped { get; }

    public CompletionEntry* Completions { get; }

    public void Dispose()
    {
        _ = munmap(Entries, (size_t)entryBytes);
        _ = munmap(queues, (size_t)queueBytes);
    }

    private static byte* Map(int fd, ulong bytes, long offset)
    {
        void* mapped = mmap(null, (size_t)bytes, ProtectReadWrite, MAP_SHARED | MAP_POPULATE, fd, offset);
        if (mapped == MAP_FAILED)
            throw new NativeException("mapping an io_uring's queues", errno, ResourceMend.For(errno));
        return (byte*)mapped;
    }
}
