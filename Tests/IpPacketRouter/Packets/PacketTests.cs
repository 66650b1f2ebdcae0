using System.Buffers.Binary;
using FastExit.IpPacketRouter.Packets;
using FastExit.Policy;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.IpPacketRouter.Packets;

/// <summary>Packets of ip-packet-router.md §10.6 and generated ones, judged by naive checksums and readings.</summary>
public sealed class PacketTests
{
    private static readonly byte[] Echo4 = Convert.FromHexString(
        "450000540000400040010e660a001234080808080800d6e4211b0000" + new string('0', 112));

    private static readonly byte[] Echo6 = Convert.FromHexString(
        "6000000000403a40fc000000000000000000000000001234200148604860000000000000000088888000" + "16eb211b0000" + new string('0', 112));

    private static readonly byte[] Syn4 = Convert.FromHexString(
        "450000300001400040060000" + "0a0012345db8d822" + "c00000500000000100000000" + "70020000" + "00000000" + "020405b401010101");

    private static readonly byte[] Fragment6 = Convert.FromHexString(
        "6000000000182c40fc000000000000000000000000001234200148604860000000000000000088881100000100000007"
        + "c0000035001000000001020304050607");

    [Fact]
    public void EchoesAreReadAndAnswered()
    {
        foreach (byte[] packet in new[] { [.. Echo4], (byte[])[.. Echo6] })
        {
            Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(packet, out IpPacket ip));
            Assert.Equal((packet.Length, false), (ip.Bytes, ip.IsFragment));
            Assert.True(EchoReply.TryAnswer(packet, ip));
            AssertIcmpVerifies(packet, packet.Length);
            Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(packet, out IpPacket reply));
            Assert.True(reply.Source == ip.Destination && reply.Destination == ip.Source);
            Assert.False(EchoReply.TryAnswer(packet, reply));
        }
    }

    [Fact]
    public void SourceRoutesAreRefused()
    {
        byte[] four = Convert.FromHexString("4700001c0000000040fd00000a00123408080808" + "01830704" + "01020304");
        Assert.Equal(IpReadStatus.BadHeader, IpPacket.TryRead(four, out _));
        four[21] = 148;
        Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(four, out _));
        byte[] six = [.. Fragment6];
        six[6] = 43;
        six[43] = 1;
        Assert.Equal(IpReadStatus.BadHeader, IpPacket.TryRead(six, out _));
        six[43] = 0;
        Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(six, out _));
    }

    [Fact]
    public void FollowersObeyTheirFirstFragmentAlone()
    {
        var cache = new FragmentCache();
        IpPacket first = Part(0, true, 17), overlap = Part(8, false, 60), next = Part(16, false, 60);
        Assert.False(cache.TryFind(next, 0, out _));
        cache.Remember(first, true, 0);
        Assert.True(cache.TryFind(next, 29_999, out bool accepted) && accepted);
        Assert.True(cache.TryFind(overlap, 0, out accepted) && !accepted);
        Assert.False(cache.TryFind(next, 30_000, out accepted) || accepted);
        Assert.False(cache.TryFind(first, 0, out _));
        cache.Remember(Part(0, false, 17), false, 1);
        Assert.True(cache.TryFind(next, 1, out accepted) && accepted);
        cache.Remember(first, false, 1);
        Assert.True(cache.TryFind(next, 1, out accepted) && !accepted);
        byte[] uneven = [.. Fragment6];
        uneven[43] = 1;
        uneven[5]--;
        Assert.Equal(IpReadStatus.BadFragment, IpPacket.TryRead(uneven, out _));
        Assert.Equal(IpReadStatus.BadFragment, IpPacket.TryRead(WithPart(0xfff8, false, 17), out _));
    }

    [Fact]
    public void TheCacheIsBounded()
    {
        var cache = new FragmentCache();
        const int Packets = 20_000;
        for (int id = 0; id < Packets; id++)
            cache.Remember(Part(0, true, 17, id), true, id);
        int found = Enumerable.Range(0, Packets).Count(id => cache.TryFind(Part(16, false, 17, id), Packets, out _));
        Assert.InRange(found, FragmentCache.Capacity * 9 / 10, FragmentCache.Capacity);
        Assert.True(cache.TryFind(Part(16, false, 17, Packets - 1), Packets, out _));
    }

    [Fact]
    public void GeneratedPacketsAgreeWithTheOracle()
    {
        byte[][] seeds = [Echo4, Echo6, Syn4, Fragment6, WithPart(16, true, 6), WithPart(0, true, 60)];
        int read = GeneratedInputs.Accepted(21, (random, inputs) =>
        {
            byte[] packet = new byte[128];
            byte[] error = new byte[IcmpError.MaximumBytes];
            int ok = 0;
            for (int input = 0; input < inputs; input++)
            {
                byte[] seed = seeds[random.Next(seeds.Length)];
                seed.CopyTo(packet, 0);
                int length = random.Next(8) == 0 ? random.Next(seed.Length + 1) : seed.Length;
                for (int changes = random.Next(4); changes > 0; changes--)
                    packet[random.Next(seed.Length)] = (byte)(random.Next(2) == 0 ? random.Next(64) : random.Next(256));
                ok += Judge(packet, length, error) ? 1 : 0;
            }

            return ok;
        });
        Assert.InRange(read, GeneratedInputs.Count / 10, GeneratedInputs.Count * 9 / 10);
    }

    [Fact]
    public void ClampedSynsStayAsTheyWere()
    {
        var random = new Random(22);
        int clamped = 0;
        for (int input = 0; input < 200_000; input++)
        {
            byte[] packet = [.. Syn4];
            int at = random.Next(4);
            packet.AsSpan(40).Fill(1);
            packet[40 + at] = 2;
            packet[41 + at] = 4;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(42 + at), (ushort)random.Next(65536));
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(36), (ushort)~Naive(packet.AsSpan(12), 6 + 28));
            ushort before = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(42 + at));
            Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(packet, out IpPacket ip));
            bool changed = MssClamp.Apply(packet, ip, 1420);
            Assert.Equal(before > 1380, changed);
            Assert.Equal(Math.Min(before, (ushort)1380), BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(42 + at)));
            Assert.Equal(0xffff, Naive(packet.AsSpan(12), 6 + 28));
            clamped += changed ? 1 : 0;
        }

        Assert.InRange(clamped, 100_000, 199_999);
    }

    [Fact]
    public void NothingIsAllocated()
    {
        var cache = new FragmentCache();
        byte[] error = new byte[IcmpError.MaximumBytes];
        byte[] echo = [.. Echo6], syn = [.. Syn4];
        IpPacket first = Part(0, true, 17), next = Part(16, false, 17);
        NumericAddress gateway = NumericAddress.IPv4(0x0a000001);
        Allocation.AssertNone(() =>
        {
            echo[40] = 128;
            IpPacket.TryRead(echo, out IpPacket ip);
            EchoReply.TryAnswer(echo, ip);
            IpPacket.TryRead(syn, out ip);
            MssClamp.Apply(syn, ip, 1420);
            IcmpError.Write(error, IcmpErrorKind.Prohibited, 0, gateway, syn, ip);
            cache.Remember(first, true, 1);
            cache.TryFind(next, 2, out _);
        });
    }

    private static bool Judge(byte[] packet, int length, byte[] error)
    {
        ReadOnlySpan<byte> data = packet.AsSpan(0, length);
        if (IpPacket.TryRead(data, out IpPacket ip) != IpReadStatus.Ok)
            return false;
        bool six = packet[0] >> 4 == 6;
        int total = six ? 40 + (packet[4] << 8) + packet[5] : (packet[2] << 8) + packet[3];
        NumericAddress source = NumericAddress.FromBytes(six ? packet.AsSpan(8, 16) : packet.AsSpan(12, 4));
        NumericAddress destination = NumericAddress.FromBytes(six ? packet.AsSpan(24, 16) : packet.AsSpan(16, 4));
        bool same = ip.IsIPv6 == six && ip.Bytes == total && total <= length && ip.TransportOffset <= total
            && ip.Source == source && ip.Destination == destination;
        if (!six)
        {
            int field = (packet[6] << 8) | packet[7];
            same &= ip.Protocol == packet[9] && ip.TransportOffset == (packet[0] & 15) * 4
                && ip.FragmentOffset == (field & 0x1fff) * 8 && ip.MoreFragments == ((field & 0x2000) != 0);
        }

        bool ports = ip.FragmentOffset == 0 && ip.Protocol is 6 or 17;
        int at = ip.TransportOffset;
        same &= ip.SourcePort == (ports ? (packet[at] << 8) | packet[at + 1] : 0)
            && ip.DestinationPort == (ports ? (packet[at + 2] << 8) | packet[at + 3] : 0);
        NumericAddress gateway = six ? NumericAddress.IPv6((UInt128)0xfc << 120 | 1) : NumericAddress.IPv4(0x0a000001);
        int bytes = IcmpError.Write(error, IcmpErrorKind.Prohibited, 0, gateway, data, ip);
        bool group = six ? packet[24] == 0xff : packet[16] >= 224;
        bool aboutError = ip.Protocol == (six ? 58 : 1) && ip.FragmentOffset == 0
            && (six ? packet[at] is < 128 or 137 : packet[at] is 3 or 4 or 5 or 11 or 12);
        if (!same || (bytes > 0 && (group || aboutError || ip.FragmentOffset > 0)))
            Assert.Fail(Convert.ToHexString(data));
        if (bytes > 0)
        {
            Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(error.AsSpan(0, bytes), out IpPacket answer));
            Assert.True(answer.Destination == source && answer.Source == gateway && answer.Bytes == bytes);
            AssertIcmpVerifies(error, bytes);
            Assert.Equal(0, IcmpError.Write(new byte[1280], IcmpErrorKind.Prohibited, 0, gateway, error, answer));
        }

        return true;
    }

    private static byte[] WithPart(int offset, bool more, byte next, int id = 7)
    {
        byte[] packet = [.. Fragment6];
        packet[40] = next;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(42), (ushort)(offset | (more ? 1 : 0)));
        BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(44), id);
        return packet;
    }

    private static IpPacket Part(int offset, bool more, byte next, int id = 7)
    {
        Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(WithPart(offset, more, next, id), out IpPacket packet));
        return packet;
    }

    private static void AssertIcmpVerifies(byte[] packet, int bytes)
    {
        bool six = packet[0] >> 4 == 6;
        if (!six && Naive(packet.AsSpan(0, 20), 0) != 0xffff)
            Assert.Fail("header " + Convert.ToHexString(packet, 0, bytes));
        int sum = six ? Naive(packet.AsSpan(8, bytes - 8), (uint)(58 + bytes - 40)) : Naive(packet.AsSpan(20, bytes - 20), 0);
        if (sum != 0xffff)
            Assert.Fail(Convert.ToHexString(packet, 0, bytes));
    }

    private static ushort Naive(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (int i = 0; i < bytes.Length; i++)
            sum += (i & 1) == 0 ? (uint)bytes[i] << 8 : bytes[i];
        while (sum >> 16 != 0)
            sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }
}
