using System.Net;
using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Noise;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.MixLink;

public sealed class NoiseIngressTests
{
    private readonly SeededBytes _random = new(21);

    [Fact]
    public void FramesCutByRecordsAndRecordsCutAnywhereArriveAsTheyWereSent()
    {
        using LinkFixture link = Link(regularSlots: 1024);
        link.RunsStage = false;
        using NoisePeer peer = new NoisePeer(link).Open(link);
        const int Frames = 400;
        byte[] stream = [.. Enumerable.Range(0, Frames).SelectMany(i => Frame(7 + (i & 1), i % 3 == 0 ? PacketSize.Acknowledgement : PacketSize.Regular, i))];
        for (int at = 0; at < stream.Length;)
        {
            int piece = Math.Min(stream.Length - at, _random.Below(3) switch { 0 => _random.Below(20), 1 => _random.Below(5000), _ => _random.Below(65_520) });
            byte[] record = peer.Seal(stream.AsSpan(at, piece));
            at += piece;
            for (int sent = 0; sent < record.Length;)
            {
                int part = Math.Min(record.Length - sent, 1 + _random.Below(_random.Below(2) == 0 ? 30 : 20_000));
                peer.Socket.Send(record.AsSpan(sent, part));
                sent += part;
                if (_random.Below(3) == 0)
                    link.Turn();
            }
        }

        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == Frames));
        Assert.Equal(1, link[Counter.MixLink_Handshakes]);
        Assert.Equal(Frames, link.SlotsInUse);
        var seen = new HashSet<int>();
        for (int i = 0; i < link.Pool.Total(SlotClass.Regular); i++)
        {
            SlotHandle slot = SlotHandle.Create(0, SlotClass.Regular, i);
            ref SlotHeader header = ref link.Pool.Header(slot);
            if (header.ContentBytes == 0)
                continue;
            Span<byte> packet = link.Pool.Slot(slot).Slice(ReplyLayout.PacketOffset, header.ContentBytes);
            int number = System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(packet);
            Assert.True(seen.Add(number));
            Assert.Equal(number % 3 == 0 ? 386 : 2413, packet.Length);
            Assert.False(packet[4..].ContainsAnyExcept((byte)number));
        }

        Assert.Equal(Frames, seen.Count);
    }

    [Fact]
    public void ManyLinksAtOnceInBothFramingsEncryptedAndPlain()
    {
        using LinkFixture link = Link(LinkFixture.Settings with { AcceptPlain = "always" });
        NoisePeer[] peers = [.. Enumerable.Range(0, 8).Select(_ => new NoisePeer(link).Open(link))];
        Socket[] plain = [.. Enumerable.Range(0, 4).Select(_ => link.Connect())];
        int frames = 0;
        for (int round = 0; round < 40; round++)
        {
            foreach (NoisePeer peer in peers)
            {
                byte[] stream = [.. Enumerable.Range(0, 1 + _random.Below(4)).SelectMany(_ => Frame(7 + _random.Below(2), Size(), frames++))];
                int cut = _random.Below(stream.Length + 1);
                peer.Socket.Send(peer.Seal(stream.AsSpan(0, cut)));
                link.Turn();
                peer.Socket.Send(peer.Seal(stream.AsSpan(cut)));
                // An empty record means nothing.
                peer.Socket.Send(peer.Seal([]));
            }

            foreach (Socket socket in plain)
                socket.Send(Frame(7 + _random.Below(2), PacketSize.Regular, frames++));
        }

        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == frames));
        Assert.Equal(frames, link[Counter.Sphinx_BadMac] + link[Counter.Sphinx_BadKey] + link[Counter.MixLink_NoSlot] + link[Counter.MixLink_PartialFramesDropped]);
        Assert.Equal(12, link.Ingress.Connections);
        foreach (NoisePeer peer in peers)
            peer.Dispose();
        foreach (Socket socket in plain)
            socket.Dispose();
        Assert.True(link.Until(() => link.Ingress.Connections == 0));
        Assert.Equal(0, link.SlotsInUse);
        Assert.Equal(0, link[Counter.MixLink_RecordsForged]);

        PacketSize Size() => _random.Below(10) == 0 ? PacketSize.Extended8 : _random.Below(2) == 0 ? PacketSize.Regular : PacketSize.Acknowledgement;
    }

    public static TheoryData<string, int> Offences => new()
    {
        { "bad version", (int)Counter.MixLink_BadVersion },
        { "record version", (int)Counter.MixLink_BadRecordVersion },
        { "pattern 2", (int)Counter.MixLink_BadRecordPattern },
        { "type 2", (int)Counter.MixLink_BadRecordType },
        { "data first", (int)Counter.MixLink_BadRecordType },
        { "oversized handshake", (int)Counter.MixLink_BadRecordLength },
        { "short handshake", (int)Counter.MixLink_BadRecordLength },
        { "wrong key", (int)Counter.MixLink_HandshakesRefused },
        { "random first", (int)Counter.MixLink_HandshakesRefused },
        { "replayed last", (int)Counter.MixLink_HandshakesRefused },
        { "spoilt last", (int)Counter.MixLink_HandshakesRefused },
        { "handshake after completion", (int)Counter.MixLink_BadRecordType },
        { "data without tag", (int)Counter.MixLink_BadRecordLength },
        { "forged", (int)Counter.MixLink_RecordsForged },
        { "forged header of a frame", (int)Counter.MixLink_RecordsForged },
        { "replayed record", (int)Counter.MixLink_RecordsForged },
        { "bad frame", (int)Counter.MixLink_BadSize },
        { "ended in a record", (int)Counter.MixLink_TruncatedFrame },
        { "plain", (int)Counter.MixLink_PlainRefused },
    };

    [Theory]
    [MemberData(nameof(Offences))]
    public void AnOffenceEndsThatConnectionAloneAndIsCounted(string offence, int counter)
    {
        using LinkFixture link = Link();
        using NoisePeer good = new NoisePeer(link).Open(link);
        using NoisePeer earlier = new(link);
        byte[] earlierFirst = earlier.First(NoisePeer.Identity.PublicKey);
        earlier.Socket.Send(earlierFirst);
        byte[] earlierLast = earlier.Last(link);
        earlier.Socket.Send(earlierLast);
        using var bad = new NoisePeer(link);
        byte[] frame = Frame(7, PacketSize.Regular, 1), twoFrames = [.. frame, .. frame];
        switch (offence)
        {
            case "bad version":
                bad.Socket.Send([3]);
                break;
            case "record version":
                bad.Socket.Send(bad.First(NoisePeer.Identity.PublicKey));
                bad.Last(link);
                bad.Socket.Send([2]);
                break;
            case "pattern 2":
                bad.Socket.Send([1, 2]);
                break;
            case "type 2":
                bad.Socket.Send([1, 1, 2]);
                break;
            case "data first":
                bad.Socket.Send(NoisePeer.Record(NoiseRecordType.Data, new byte[48]));
                break;
            case "oversized handshake":
                bad.Socket.Send(NoisePeer.Record(NoiseRecordType.Handshake, new byte[1025]));
                break;
            case "short handshake":
                bad.Socket.Send(NoisePeer.Record(NoiseRecordType.Handshake, new byte[47]));
                break;
            case "wrong key":
                bad.Socket.Send(bad.First(new NoiseIdentity(_random.Bytes(32)).PublicKey));
                break;
            case "random first":
                bad.Socket.Send(NoisePeer.Record(NoiseRecordType.Handshake, _random.Bytes(48)));
                break;
            case "replayed last":
                bad.Socket.Send(earlierFirst);
                bad.Socket.Send(earlierLast);
                break;
            case "spoilt last":
                bad.Socket.Send(bad.First(NoisePeer.Identity.PublicKey));
                byte[] last = bad.Last(link);
                last[20] ^= 1;
                bad.Socket.Send(last);
                break;
            case "handshake after completion":
                bad.Open(link).Socket.Send(earlierFirst);
                break;
            case "data without tag":
                bad.Open(link).Socket.Send(NoisePeer.Record(NoiseRecordType.Data, new byte[15]));
                break;
            case "forged":
                byte[] forged = bad.Open(link).Seal(twoFrames);
                forged[^1] ^= 1;
                bad.Socket.Send(forged);
                break;
            case "forged header of a frame":
                byte[] header = bad.Open(link).Seal(twoFrames);
                header[NoiseRecord.HeaderBytes + frame.Length + 1] ^= 0x80;
                bad.Socket.Send(header);
                break;
            case "replayed record":
                byte[] record = bad.Open(link).Seal(frame);
                bad.Socket.Send([.. record, .. record]);
                break;
            case "bad frame":
                bad.Open(link).Socket.Send(bad.Seal([.. frame, 7, 9, 0, .. new byte[3000]]));
                break;
            case "ended in a record":
                bad.Open(link).Socket.Send(bad.Seal(twoFrames).AsSpan(0, 4000));
                link.Until(() => link.SlotsInUse == 2);
                bad.Socket.Shutdown(SocketShutdown.Send);
                break;
            default:
                bad.Socket.Send(frame);
                break;
        }

        Assert.True(link.Until(() => link[Counter.MixLink_ConnectionsClosed] == 1), offence);
        Assert.Equal(1, link[(Counter)counter]);
        // Frames of a record that is not genuine go nowhere.
        Assert.Equal(offence is "replayed record" or "bad frame" ? 1 : 0, link[Counter.MixLink_FramesReceived]);
        Assert.Equal(0, link.SlotsInUse);
        long frames = link[Counter.MixLink_FramesReceived];
        good.Socket.Send(good.Seal(frame));
        earlier.Socket.Send(earlier.Seal(frame));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == frames + 2));
        Assert.Equal(2, link.Ingress.Connections);
    }

    [Fact]
    public void StalledHandshakesEndAndSilentConnectionsStay()
    {
        using LinkFixture link = Link();
        using NoisePeer begun = new(link), half = new(link), silent = new(link), good = new NoisePeer(link).Open(link);
        begun.Socket.Send([1, 1]);
        half.Socket.Send(half.First(NoisePeer.Identity.PublicKey));
        half.Last(link);
        Assert.True(link.Until(() => link.Ingress.Connections == 4 && link[Counter.MixLink_Handshakes] == 1));
        link.Skew = 1000;
        link.Until(() => false, 0.1);
        Assert.Equal(4, link.Ingress.Connections);
        link.Skew = 1600;
        Assert.True(link.Until(() => link[Counter.MixLink_HandshakeTimeouts] == 2 && link.Ingress.Connections == 2));
        silent.Open(link);
        silent.Socket.Send(silent.Seal(Frame(7, PacketSize.Regular, 1)));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == 1));

        // A record that is begun and not ended gives its slots back.
        byte[] record = good.Seal([.. Frame(7, PacketSize.Regular, 1), .. Frame(7, PacketSize.Regular, 2)]);
        good.Socket.Send(record.AsSpan(0, record.Length - 1));
        Assert.True(link.Until(() => link.SlotsInUse == 2));
        link.Skew += 31_000;
        Assert.True(link.Until(() => link[Counter.MixLink_StalledFrame] == 1 && link.SlotsInUse == 0));
    }

    [Theory]
    [InlineData("unknown", "127.0.0.1", false)]
    [InlineData("unknown", "127.0.0.9", true)]
    [InlineData("always", "127.0.0.1", true)]
    [InlineData("never", "127.0.0.9", false)]
    public void WhoMayComeWithoutNoise(string policy, string from, bool accepted)
    {
        using LinkFixture link = Link(LinkFixture.Settings with { AcceptPlain = policy });
        using Socket socket = link.Connect(from);
        socket.Send(Frame(8, PacketSize.Regular, 1));
        Assert.True(link.Until(() => link[accepted ? Counter.MixLink_FramesReceived : Counter.MixLink_PlainRefused] == 1));
        using NoisePeer peer = new NoisePeer(link, from).Open(link);
        peer.Socket.Send(peer.Seal(Frame(8, PacketSize.Regular, 1)));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == (accepted ? 2 : 1)));
    }

    [Fact]
    public void AFloodOfHandshakesLeavesThoseOfNodesAlone()
    {
        using LinkFixture link = Link(LinkFixture.Settings with { HandshakesPerSecond = 10 });
        NoisePeer[] flood = [.. Enumerable.Range(0, 60).Select(_ => new NoisePeer(link, "127.0.0.9"))];
        foreach (NoisePeer stranger in flood)
            stranger.Socket.Send(stranger.First(NoisePeer.Identity.PublicKey));
        Assert.True(link.Until(() => link[Counter.MixLink_HandshakesLimited] > 30));
        using NoisePeer node = new NoisePeer(link, "127.0.0.1").Open(link);
        node.Socket.Send(node.Seal(Frame(7, PacketSize.Regular, 1)));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == 1));
        foreach (NoisePeer stranger in flood)
            stranger.Dispose();
    }

    [Fact]
    public void RecordsThatAreNotEndedGiveWayToThoseThatAre()
    {
        using LinkFixture link = Link(regularSlots: 200);
        NoisePeer[] crowd = [.. Enumerable.Range(0, 10).Select(_ => new NoisePeer(link).Open(link))];
        byte[] many = [.. Enumerable.Range(0, 25).SelectMany(i => Frame(7, PacketSize.Regular, i))];
        foreach (NoisePeer one in crowd)
        {
            byte[] record = one.Seal(many);
            one.Socket.Send(record.AsSpan(0, record.Length - 1));
        }

        Assert.True(link.Until(() => link[Counter.MixLink_PartialFramesDropped] > 0));
        link.Until(() => false, 0.2);
        Assert.InRange(link.SlotsInUse, 100, 150);
        using NoisePeer good = new NoisePeer(link).Open(link);
        good.Socket.Send(good.Seal(many));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == 25));
        Assert.Equal(25, link[Counter.Sphinx_BadMac] + link[Counter.Sphinx_BadKey]);
        foreach (NoisePeer one in crowd)
            one.Dispose();
        Assert.True(link.Until(() => link.Ingress.Connections == 1));
        Assert.Equal(0, link.SlotsInUse);
    }

    private static LinkFixture Link(MixLinkSettings? settings = null, int regularSlots = 2048) => new(
        settings, regularSlots: regularSlots, identity: NoisePeer.Identity,
        topology: NoisePeer.Topology(new IPEndPoint(IPAddress.Parse("127.0.0.1"), 9)));

    private static byte[] Frame(int version, PacketSize size, int number)
    {
        var header = new FrameHeader((byte)version, size, KeyRotation.Unknown);
        byte[] frame = new byte[header.Bytes + header.PacketBytes];
        frame.AsSpan().Fill((byte)number);
        header.Write(frame);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(header.Bytes), number);
        return frame;
    }
}
