using System.Numerics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using FastExit.Policy;

namespace FastExit.IpPacketRouter;

internal enum PacketVerdict : byte
{
    Accepted,
    DeniedByPolicy,
    DeniedByGuard,
}

/// <summary>What a policy looks at beside the address.</summary>
internal enum PacketKind : byte
{
    /// <summary>TCP or UDP: the port.</summary>
    Ported,

    /// <summary>ICMP for IPv4, ICMPv6 for IPv6.</summary>
    Icmp,

    /// <summary>Anything else.</summary>
    Portless,
}

/// <summary>
/// What judges packets' destinations: address guard, then rules. Packets with ports are judged like connections. ICMP may go wherever a
/// rule accepts any port of the address, unless one before it refuses all of them. Other protocols without ports (GRE, SCTP, …) are
/// judged by the first rule that matches the address and covers all ports (<c>*</c>) or port 0. Immutable; a new one is published when
/// either changes.
/// </summary>
internal sealed class PacketPolicy(ExitPolicy rules, AddressGuard guard)
{
    /// <param name="address">The packet's destination.</param>
    /// <param name="port">Its destination port, not 0; ignored without ports.</param>
    /// <param name="kind">By what it is judged.</param>
    public PacketVerdict Judge(NumericAddress address, ushort port, PacketKind kind)
    {
        if (!guard.IsAllowed(address))
            return PacketVerdict.DeniedByGuard;
        if (kind == PacketKind.Ported)
            return rules.Evaluate(address, port).IsAllowed ? PacketVerdict.Accepted : PacketVerdict.DeniedByPolicy;
        foreach (PolicyRule rule in rules.Rules)
        {
            bool decides = rule.Ports.IsAll || rule.Ports.Contains(0) || (kind == PacketKind.Icmp && rule.Accepts);
            if (decides && rule.Address is { } pattern && pattern.Matches(address))
                return rule.Accepts ? PacketVerdict.Accepted : PacketVerdict.DeniedByPolicy;
        }

        return PacketVerdict.DeniedByPolicy;
    }
}

/// <summary>Where the control plane puts the policy in force and every shard reads it.</summary>
internal sealed class PublishedPacketPolicy(PacketPolicy current)
{
    private volatile PacketPolicy _current = current;

    public PacketPolicy Current => _current;

    public void Publish(PacketPolicy policy) => _current = policy;
}

/// <summary>
/// One core's memory of verdicts, because the rules are a list that is walked: direct-mapped by destination, kind and
/// port. A newly published policy empties it.
/// </summary>
internal sealed class VerdictCache
{
    private readonly Entry[] _entries;
    private readonly int _shift;
    private readonly ulong _secret = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;
    private readonly PublishedPacketPolicy _published;
    private PacketPolicy _policy;

    /// <param name="published">The policy in force.</param>
    /// <param name="entries">A power of two.</param>
    public VerdictCache(PublishedPacketPolicy published, int entries = 4096)
    {
        _published = published;
        _policy = published.Current;
        _entries = new Entry[entries];
        _shift = 64 - BitOperations.Log2((uint)entries);
    }

    public PacketVerdict Judge(NumericAddress address, ushort port, PacketKind kind)
    {
        PacketPolicy policy = _published.Current;
        if (!ReferenceEquals(policy, _policy))
        {
            _policy = policy;
            Array.Clear(_entries);
        }

        uint rest = (1u << 31) | (address.IsIPv6 ? 1u << 30 : 0) | ((uint)kind << 16) | (kind == PacketKind.Ported ? port : 0u);
        ref Entry entry = ref _entries[Place(address.Bits, rest)];
        if (entry.Rest == rest && entry.Address == address.Bits)
            return entry.Verdict;
        PacketVerdict verdict = policy.Judge(address, port, kind);
        entry = new Entry { Address = address.Bits, Rest = rest, Verdict = verdict };
        return verdict;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Place(UInt128 address, uint rest)
    {
        ulong high = Math.BigMul((ulong)(address >> 64) ^ _secret, 0x9E3779B97F4A7C15, out ulong low);
        ulong mixed = ((ulong)address ^ high ^ low) + rest;
        return (int)(((mixed ^ _secret) * 0xD6E8FEB86659FD93) >> _shift);
    }

    private struct Entry
    {
        public UInt128 Address;

        // Never 0 in use.
        public uint Rest;
        public PacketVerdict Verdict;
    }
}
