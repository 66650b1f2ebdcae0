using System.Buffers.Binary;
using FastExit.Native.Tun;
using FastExit.Policy;

namespace FastExit.IpPacketRouter.Packets;

public enum IcmpErrorKind : byte
{
    /// <summary>v4 type 3 code 0, v6 type 1 code 0.</summary>
    NoRoute,

    /// <summary>v4 type 3 code 1, v6 type 1 code 3.</summary>
    HostUnreachable,

    /// <summary>v4 type 3 code 13, v6 type 1 code 1.</summary>
    Prohibited,

    /// <summary>v4 type 3 code 4, v6 type 2 code 0; carries the MTU.</summary>
    TooBig,

    /// <summary>v4 type 11 code 0, v6 type 3 code 0: it has passed as many routers as it may.</summary>
    TimeExceeded,
}

/// <summary>
/// Writes the ICMP error about a packet (RFC 792, RFC 4443), quoting as much of it as fits 576 bytes (IPv4) or 1280 (IPv6). None about
/// ICMP errors, later fragments, group or broadcast destinations, or senders that no answer can reach (RFC 1122 §3.2.2, RFC 4443 §2.4e;
/// too-big may speak of IPv6 multicast).
/// </summary>
public static class IcmpError
{
    /// <summary>Longest error of either family.</summary>
    public const int MaximumBytes = 1280;

    private const int IPv4MaximumBytes = 576, IcmpHeaderBytes = 8;

    private const byte TimeToLive = 64;

    /// <summary>
    /// Bytes written, or 0: no error may be sent about this packet, the destination is too small (<see cref="MaximumBytes"/> always
    /// suffice), or the gateway's address is of the other family. <paramref name="mtu"/> matters to TooBig alone.
    /// </summary>
    public static int Write(
        Span<byte> destination, IcmpErrorKind kind, int mtu, in NumericAddress gateway, ReadOnlySpan<byte> packet, in IpPacket ip)
    {
        if (gateway.IsIPv6 != ip.IsIPv6 || packet.Length < ip.Bytes || !MayAnswer(packet, ip, kind))
            return 0;
        int headerBytes = (ip.IsIPv6 ? IpPacket.IPv6HeaderBytes : IpPacket.IPv4HeaderBytes) + IcmpHeaderBytes;
        int total = Math.Min(headerBytes + ip.Bytes, ip.IsIPv6 ? MaximumBytes : IPv4MaximumBytes);
        if (destination.Length < total)
            return 0;
        Span<byte> error = destination[..total];
        error[..headerBytes].Clear();
        packet[..(total - headerBytes)].CopyTo(error[headerBytes..]);
        if (ip.IsIPv6)
            WriteIPv6(error, kind, mtu, gateway, packet);
        else
            WriteIPv4(error, kind, mtu, gateway, packet);
        return total;
    }

    private static void WriteIPv4(Span<byte> error, IcmpErrorKind kind, int mtu, in NumericAddress gateway, ReadOnlySpan<byte> packet)
    {
        error[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(error[2..], (ushort)error.Length);
        error[8] = TimeToLive;
        error[9] = IpPacket.Icmp;
        BinaryPrimitives.WriteUInt32BigEndian(error[12..], (uint)gateway.Bits);
        packet.Slice(12, 4).CopyTo(error[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(
            error[10..], InternetChecksum.Compute(error[..IpPacket.IPv4HeaderBytes]));

        Span<byte> icmp = error[IpPacket.IPv4HeaderBytes..];
        icmp[0] = kind == IcmpErrorKind.TimeExceeded ? (byte)11 : (byte)3;
        icmp[1] = kind switch
        {
            IcmpErrorKind.NoRoute or IcmpErrorKind.TimeExceeded => 0,
            IcmpErrorKind.HostUnreachable => 1,
            IcmpErrorKind.TooBig => 4,
            _ => 13,
        };
        if (kind == IcmpErrorKind.TooBig)
            BinaryPrimitives.WriteUInt16BigEndian(icmp[6..], (ushort)Math.Clamp(mtu, 0, ushort.MaxValue));
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], InternetChecksum.Compute(icmp));
    }

    private static void WriteIPv6(Span<byte> error, IcmpErrorKind kind, int mtu, in NumericAddress gateway, ReadOnlySpan<byte> packet)
    {
        Span<byte> icmp = error[IpPacket.IPv6HeaderBytes..];
        error[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(error[4..], (ushort)icmp.Length);
        error[6] = IpPacket.IcmpV6;
        error[7] = TimeToLive;
        BinaryPrimitives.WriteUInt128BigEndian(error[8..], gateway.Bits);
        packet.Slice(8, 16).CopyTo(error[24..]);

        icmp[0] = kind switch
        {
            IcmpErrorKind.TooBig => 2,
            IcmpErrorKind.TimeExceeded => 3,
            _ => 1,
        };
        icmp[1] = kind switch
        {
            IcmpErrorKind.Prohibited => 1,
            IcmpErrorKind.HostUnreachable => 3,
            _ => 0,
        };
        if (kind == IcmpErrorKind.TooBig)
            BinaryPrimitives.WriteUInt32BigEndian(icmp[4..], (uint)Math.Max(mtu, 0));
        ulong sum = InternetChecksum.PseudoHeader(error.Slice(8, 32), IpPacket.IcmpV6, icmp.Length);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], InternetChecksum.Finish(InternetChecksum.Sum(icmp, sum)));
    }

    private static bool MayAnswer(ReadOnlySpan<byte> packet, in IpPacket ip, IcmpErrorKind kind)
    {
        if (!ip.HasTransport)
            return false;
        ReadOnlySpan<byte> transport = packet[ip.TransportOffset..ip.Bytes];
        if (!ip.IsIPv6)
        {
            bool isError = ip.Protocol == IpPacket.Icmp && transport[0] is 3 or 4 or 5 or 11 or 12;
            return !isError && IsHostIPv4(ip.Source) && !IsGroupIPv4(ip.Destination);
        }

        bool isErrorOrRedirect = ip.Protocol == IpPacket.IcmpV6 && transport[0] is < 128 or 137;
        return !isErrorOrRedirect && IsHostIPv6(ip.Source) && (kind == IcmpErrorKind.TooBig || !IsGroupIPv6(ip.Destination));
    }

    private static bool IsHostIPv4(in NumericAddress address) =>
        !IsGroupIPv4(address) && (uint)address.Bits >> 24 is not (0 or 127);

    private static bool IsGroupIPv4(in NumericAddress address) => (uint)address.Bits >= 0xE000_0000;

    private static bool IsHostIPv6(in NumericAddress address) => !IsGroupIPv6(address) && address.Bits > 1;

    private static bool IsGroupIPv6(in NumericAddress address) => (byte)(address.Bits >> 120) == 0xFF;
}
