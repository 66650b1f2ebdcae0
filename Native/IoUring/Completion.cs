namespace FastExit.Native.IoUring;

/// <summary>One completion: what <c>struct io_uring_cqe</c> says about one prepared operation.</summary>
/// <param name="UserData">The value given when the operation was prepared.</param>
/// <param name="Result">The operation's own result, or -errno.</param>
/// <param name="Flags">The raw flags.</param>
public readonly record struct Completion(ulong UserData, int Result, uint Flags)
{
    /// <summary>The operation stays armed and will complete again; without it a multishot has ended.</summary>
    public bool More => (Flags & 2) != 0;

    /// <summary>A provided buffer was consumed: <see cref="BufferId"/> is the first one.</summary>
    public bool HasBuffer => (Flags & 1) != 0;

    /// <summary>The provided buffer; of a bundle the first, the others follow in the order of publishing.</summary>
    public ushort BufferId => (ushort)(Flags >> 16);

    /// <summary>The socket had more to read (or to accept) when this completed.</summary>
    public bool SocketNonEmpty => (Flags & 4) != 0;

    /// <summary>The second completion of a zero-copy send: its memory is free again.</summary>
    public bool IsNotification => (Flags & 8) != 0;
}
