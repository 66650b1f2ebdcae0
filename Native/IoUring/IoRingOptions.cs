namespace FastExit.Native.IoUring;

/// <summary>Sizes of one <see cref="IoRing"/>; the kernel rounds queues up to powers of two and clamps them.</summary>
public sealed record IoRingOptions
{
    /// <summary>Operations that fit before a Prepare call submits by itself.</summary>
    public int SubmissionEntries { get; init; } = 1024;

    /// <summary>Completions that fit before the kernel keeps a backlog in its own memory.</summary>
    public int CompletionEntries { get; init; } = 8192;

    /// <summary>Slots for direct descriptors, capped by RLIMIT_NOFILE, which is raised to this if allowed.</summary>
    public int DirectDescriptors { get; init; } = 65536;

    /// <summary>False does without multishot reads, as on a kernel that has none.</summary>
    public bool ReadMultishot { get; init; } = true;
}
