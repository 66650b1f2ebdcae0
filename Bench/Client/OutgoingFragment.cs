namespace FastExit.Bench.Client;

/// <summary>One fragment from its first sending until it is acknowledged or given up; the engine's thread alone touches it.</summary>
internal sealed class OutgoingFragment(OutgoingMessage message, uint setId, byte position, byte[] bytes)
{
    public OutgoingMessage Message { get; } = message;

    public uint SetId { get; } = setId;

    /// <summary>Counted from 1.</summary>
    public byte Position { get; } = position;

    /// <summary>Header, slice and padding: the same for every sending.</summary>
    public byte[] Bytes { get; } = bytes;

    public ulong Key => ((ulong)SetId << 8) | Position;

    public int Sendings { get; set; }

    /// <summary>Milliseconds of the first sending.</summary>
    public long FirstSent { get; set; }

    /// <summary>When it is sent again, in milliseconds.</summary>
    public long Due { get; set; }

    /// <summary>Sent and neither acknowledged nor abandoned.</summary>
    public bool Pending { get; set; }
}

/// <summary>What a message is for, and what is given back when its last fragment is done with.</summary>
internal sealed class OutgoingMessage(ProxyConnection? connection, bool isData)
{
    public ProxyConnection? Connection { get; } = connection;

    /// <summary>A message of a connection's stream: it holds window credit.</summary>
    public bool IsData { get; } = isData;

    public int FragmentsLeft { get; set; }

    /// <summary>Every fragment is acknowledged or abandoned.</summary>
    public bool IsSettled { get; set; }

    /// <summary>Its connection has failed: not worth another sending.</summary>
    public bool Cancelled => Connection is { Failed: true };
}
