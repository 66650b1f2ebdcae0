using System.Diagnostics.CodeAnalysis;

namespace FastExit.Crypto.Sphinx;

/// <summary>What became of a packet (sphinx.md §7.3).</summary>
public enum SphinxStatus : byte
{
    /// <summary>Not looked at yet.</summary>
    None,

    /// <summary>MAC and routing are good; the payload is untouched. Check the replay tag now.</summary>
    HeaderValid,

    /// <summary>A forward hop: the region holds the packet for <see cref="SphinxLane.NextHop"/>.</summary>
    Forward,

    /// <summary>The final hop: the region holds the plaintext.</summary>
    Final,

    /// <summary>Shorter than 365 bytes or not within the region.</summary>
    InvalidLength,

    /// <summary>The shared secret is all zero: the header's key is a point of low order.</summary>
    BadKey,

    /// <summary>The header's code does not match: wrong key, tampered, or no Sphinx packet.</summary>
    BadMac,

    /// <summary>The flag is neither forward nor final.</summary>
    BadRouting,

    /// <summary>The next hop's address is neither IPv4 nor IPv6.</summary>
    BadAddress,

    /// <summary>The payload is too short for its cipher or no plaintext is in it.</summary>
    BadPayload,

    /// <summary>The caller took it out (replay, no such key): nothing more is done with it.</summary>
    Skipped,
}

/// <summary>One received packet inside a region: where it is, which key it is for, and what came out.</summary>
[SuppressMessage(
    "Design", "CA1051", Justification = "An element of a caller's array, filled in place: properties would copy or hide that.")]
public struct SphinxLane
{
    /// <summary>In: first byte of the packet in the region, and its bytes. Every hop keeps both.</summary>
    public int Offset, Length;

    /// <summary>In: index of the 32-byte private key to use.</summary>
    public int Key;

    /// <summary>Out; the caller may set <see cref="SphinxStatus.Skipped"/> between headers and payloads.</summary>
    public SphinxStatus Status;

    /// <summary>Out, from HeaderValid on: true for a forward hop, false for the final one.</summary>
    public bool IsForward;

    /// <summary>Out, from HeaderValid on: the number found in the block; any number is valid.</summary>
    public ushort Version;

    /// <summary>Out, forward: how long this hop holds the packet, as written by the sender, not capped.</summary>
    public ulong DelayNanoseconds;

    /// <summary>Out, status Final: the plaintext's first byte in the region, and its bytes.</summary>
    public int PlaintextOffset, PlaintextBytes;

    /// <summary>Out, from HeaderValid on.</summary>
    public Bytes32 ReplayTag;

    /// <summary>Out, final.</summary>
    public Bytes32 Destination;

    /// <summary>Out, forward: padded address.</summary>
    public Bytes32 NextHop;

    /// <summary>Out, final.</summary>
    public Bytes16 Identifier;
}
