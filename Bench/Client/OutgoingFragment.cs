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

/// <summary>What a message belongs to; called on the client's thread.</summary>
internal interface IMessageOwner
{
    /// <summary>Its messages are not worth another sending.</summary>
    bool Abandoned { get; }

    /// <summary>Every fragment is acknowledged or abandoned.</summary>
    void Settled(OutgoingMessage message);

    /// <summary>A packet was sent as often as it may be, without an ack.</summary>
    void GivenUp();
}

/// <summary>What a message is for, and what is given back when its last fragment is done with.</summary>
internal sealed class OutgoingMessage(IMessageOwner? owner, bool isData)
{
    public IMessageOwner? Owner { get; } = owner;

    /// <summary>Application data, which waits behind control; of a connection's stream, it holds window credit.</summary>
    public bool IsData { get; } = isData;

    /// <summary>Null: as the client's settings say.</summary>
    public int? MaximumRetransmissions { get; init; }

    public int FragmentsLeft { get; set; }

    /// <summary>Every fragment is acknowledged or abandoned.</summary>
    public bool IsSettled { get; set; }

    public bool Cancelled => Owner is { Abandoned: true };
}
