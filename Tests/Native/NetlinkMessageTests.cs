using FastExit.Native.Netlink;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class NetlinkMessageTests
{
    [Fact]
    public void What_is_written_is_read_back()
    {
        var writer = new NetlinkMessageWriter(new byte[256]);
        writer.Begin(16, NetlinkFlags.Request | NetlinkFlags.Acknowledge, 7);
        writer.Take(4)[0] = 9;
        writer.Text(1, "abc");
        int nest = writer.BeginNest(2);
        writer.BigEndian(3, 0x01020304);
        writer.EndNest(nest);
        writer.Attribute(4, 5u);
        writer.End();
        writer.Begin(17, NetlinkFlags.None, 8);
        writer.End();

        ReadOnlySpan<byte> datagram = writer.Written;
        Assert.True(NetlinkMessage.TryRead(ref datagram, out NetlinkMessage message));
        Assert.Equal((16, 5, 7u), (message.Type, message.Flags, message.Sequence));
        Assert.Equal(9, message.Body[0]);
        NetlinkAttributes attributes = message.Attributes(4);
        Assert.True(attributes.TryNext(out ushort type, out ReadOnlySpan<byte> value));
        Assert.Equal("abc", NetlinkAttributes.Text(value));
        Assert.True(attributes.TryNext(out type, out value));
        Assert.Equal(2, type);
        var inner = new NetlinkAttributes(value);
        Assert.True(inner.TryNext(out type, out value));
        Assert.Equal(0x01020304u, NetlinkAttributes.BigEndian(value));
        Assert.True(attributes.TryNext(out type, out value));
        Assert.Equal((4, 5u), (type, NetlinkAttributes.Number(value)));
        Assert.False(attributes.TryNext(out _, out _));
        Assert.True(NetlinkMessage.TryRead(ref datagram, out message));
        Assert.Equal(17, message.Type);
        Assert.False(NetlinkMessage.TryRead(ref datagram, out _));
    }

    [Fact]
    public void No_datagram_makes_the_parsers_throw()
    {
        ushort[] types = [2, 3, 16, 17, 20, 24, NetfilterMessages.NewChain];
        byte[] families = [1, 2, 10];
        var random = new Random(8);
        byte[] bytes = new byte[160];
        long read = 0;
        for (int round = 0; round < 1_000_000; round++)
        {
            ReadOnlySpan<byte> datagram = Datagram(random, bytes, types, families);
            while (NetlinkMessage.TryRead(ref datagram, out NetlinkMessage message))
            {
                if (message.TryReadError(out _, out _))
                    read++;
                if (RouteMessages.ReadLink(message) is not null)
                    read++;
                if (RouteMessages.ReadAddress(message) is not null)
                    read++;
                if (RouteMessages.ReadRoute(message) is not null)
                    read++;
                if (NetfilterMessages.TryReadDroppingForward(message, out _, out _))
                    read++;
            }
        }

        Assert.InRange(read, 200_000, long.MaxValue);
    }

    // Half are lengths and types that could be true around noise, so that parsing gets far.
    private static ReadOnlySpan<byte> Datagram(Random random, byte[] bytes, ushort[] types, byte[] families)
    {
        random.NextBytes(bytes);
        int length = random.Next(bytes.Length + 1);
        if (length < 40 || random.Next(4) == 0)
            return bytes.AsSpan(0, length);
        BitConverter.TryWriteBytes(bytes, random.Next(8) == 0 ? random.Next(200) : length);
        BitConverter.TryWriteBytes(bytes.AsSpan(4), types[random.Next(types.Length)]);
        bytes[16] = families[random.Next(3)];
        int at = 16 + ((int[])[4, 8, 12, 16])[random.Next(4)];
        while (at + 4 < length)
        {
            int attribute = random.Next(10) == 0 ? random.Next(70) : 4 + (4 * random.Next(5));
            BitConverter.TryWriteBytes(bytes.AsSpan(at), (ushort)attribute);
            BitConverter.TryWriteBytes(bytes.AsSpan(at + 2), (ushort)random.Next(24));
            at += Math.Max((attribute + 3) & ~3, 4);
        }

        return bytes.AsSpan(0, length);
    }
}
