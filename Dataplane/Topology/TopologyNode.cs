using System.Diagnostics.CodeAnalysis;
using System.Net;
using FastExit.Configuration;

namespace FastExit.Topology;

/// <summary>What a node does in the network; the three mix layers are walked in this order.</summary>
public enum TopologyRole
{
    Mix1,
    Mix2,
    Mix3,
    Entry,
    Exit,
}

/// <summary>One node: ed25519 identity (32 bytes), x25519 Sphinx public key (32 bytes) of the file's rotation, and the address of its mix link.</summary>
public sealed record TopologyNode(byte[] Identity, byte[] SphinxKey, IPEndPoint MixAddress, TopologyRole Role)
{
    public const int KeyBytes = 32;
    public const int MaximumOtherAddresses = 64;

    /// <summary>x25519 key of its mix link's Noise handshake, 32 bytes (mix-link.md §2.4); null: its link is plain.</summary>
    public byte[]? NoiseKey { get; init; }

    /// <summary>Addresses it announces beside that of <see cref="MixAddress"/>; its mix link has the same port there.</summary>
    public IReadOnlyList<IPAddress> OtherAddresses { get; init; } = [];

    /// <summary>One host's address in full, without zone; IPv4 mapped into IPv6 becomes IPv4.</summary>
    internal static bool TryParseAddress(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        address = null;
        if (text.Length > 45 || text.AsSpan().ContainsAny('%', '[', ']') || !IPAddress.TryParse(text, out IPAddress? parsed)
            || (!text.Contains(':', StringComparison.Ordinal) && parsed.ToString() != text) || !SettingDraft.IsOneHost(parsed))
            return false;
        address = NetworkTopology.Normalize(parsed);
        return true;
    }
}

/// <summary>A topology file that cannot be used. The message is one line: file, line, what is wrong, how to mend it.</summary>
public sealed class TopologyException : Exception
{
    public TopologyException(string message)
        : base(message)
    {
    }

    public TopologyException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
