using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using FastExit.Delivery;
using FastExit.Sphinx;
using FastExit.Tests.Crypto.Sphinx;
using FastExit.Tests.MixLink;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>Packets of a real client in, messages to the service and acks out: SphinxStage, Inbox and MixEgress together.</summary>
public sealed class ExitPathTests : IDisposable
{
    private readonly MixLab _lab = new();
    // A client with few SURBs is not asked for more, so that acks are all that leaves.
    private static readonly DeliverySettings s_quiet = new()
    {
        SurbBytes = 1 << 20,
        MaximumPeers = 64,
        MaximumSets = 256,
        MaximumPendingAcks = 512,
        SurbMinimum = 0,
    };

    private readonly LabClient _client;

    public ExitPathTests() => _client = new LabClient(_lab);

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData(1, 10)]
    [InlineData(1, 1500)]
    [InlineData(4, 7000)]
    [InlineData(5, 15000)]
    [InlineData(3, 32000)]
    [InlineData(1, 30000)]
    [InlineData(3, 200000)]
    public void MessageReachesTheServiceAndEveryAckItsMaker(int size, int bytes)
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        byte[] data = new byte[bytes];
        Random.Shared.NextBytes(data);
        ClientPacket[] packets = _client.Send(_client.Message(data, surbs: 2), (PacketSize)size);
        Random.Shared.Shuffle(packets);
        var acknowledged = new HashSet<(uint, byte)>();
        // Few extended slots: in parts, as they would come off the wire.
        foreach (ClientPacket[] part in packets.Chunk(8))
        {
            exit.Deliver(part);
            foreach ((NodeAddress hop, ReceivedFrame frame) in exit.Flush())
            {
                Assert.Equal(PacketSize.Acknowledgement, frame.Header.Size);
                Arrival arrival = _lab.Walk(hop, frame.Packet)!;
                Assert.Equal(_client.Identity, arrival.Destination);
                Assert.True(AckContent.TryRead(arrival.Plaintext, _client.AckKey, out uint set, out byte position));
                acknowledged.Add((set, position));
            }
        }

        (byte[] received, int peer) = Assert.Single(exit.One.Service.Messages);
        Assert.Equal(data, received);
        Assert.True(exit.One.Replies.IsAnonymous(peer));
        Assert.Equal(2, exit.Count(Counter.Delivery_SurbsReceived));
        Assert.Equal(packets.Select(p => (p.SetId, p.Position)).ToHashSet(), acknowledged);
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Theory]
    [InlineData(409_018)]
    [InlineData(900_000)]
    public void LinkedSetsBecomeOneMessage(int bytes)
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        byte[] message = _client.Message(new byte[bytes], surbs: 0);
        message = [0, .. Enumerable.Range(0, bytes).Select(i => (byte)(i * 7))];
        uint[] setIds = new uint[FragmentPlan.For(message.Length, 1611).Sets];
        SetId.Fill(setIds);
        foreach (byte[] fragment in Fragments.Of(message, 1611, setIds).OrderBy(_ => Random.Shared.Next()))
            Assert.True(Fragments.Hand(exit, fragment));
        exit.Run();
        Assert.Equal(message[1..], Assert.Single(exit.One.Service.Messages).Data);
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void ReplaysAndCopiesOfOneMessageAreDeliveredOnce()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        byte[] fragment = Fragments.Of(_client.Message([1, 2, 3], surbs: 1), 1611, [77])[0];
        ClientPacket packet = _client.Wrap(fragment, PacketSize.Regular, 77, 1);
        exit.Deliver([packet, packet]);
        Assert.Equal(1, exit.Count(Counter.Sphinx_Replays));
        exit.Deliver([_client.Wrap(fragment, PacketSize.Regular, 77, 1)]);
        Assert.Equal(1, exit.Count(Counter.Delivery_LateFragment));
        Assert.Single(exit.One.Service.Messages);
        // The retransmission is acknowledged, the replay is not.
        Assert.Equal(2, exit.Flush().Count);

        // Another sender's fragment that happens to bear the same id is no copy.
        exit.Deliver([_client.Wrap(Fragments.Of(_client.Message([9]), 1611, [77])[0], PacketSize.Regular, 77, 1)]);
        Assert.Equal(2, exit.One.Service.Messages.Count);
        exit.Flush();
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void BadPacketsAreCountedByReasonAndLeaveNothing()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        byte[] good = _client.Send(_client.Message([1], surbs: 1))[0].Bytes;

        byte[] badMac = [.. good];
        badMac[40] ^= 1;
        exit.Deliver(badMac, PacketSize.Regular);
        byte[] badPayload = [.. good];
        badPayload[1000] ^= 1;
        exit.Deliver(badPayload, PacketSize.Regular);
        exit.Deliver(good, PacketSize.Regular, rotation: KeyRotation.Even);
        exit.Run();
        Assert.Equal(1, exit.Count(Counter.Sphinx_BadMac));
        Assert.Equal(1, exit.Count(Counter.Sphinx_BadPayload));
        Assert.Equal(1, exit.Count(Counter.Sphinx_ExpiredKey));

        exit.Deliver([_client.Wrap(new byte[1611], PacketSize.Regular, 5, 1, ackable: false)]);
        Assert.Equal(1, exit.Count(Counter.Sphinx_MissingAck));

        byte[] cover = new byte[1611];
        CoverMarker.Write(cover);
        exit.Deliver([_client.Wrap(cover, PacketSize.Regular, 0, 0)]);
        Assert.Equal(1, exit.Count(Counter.Delivery_Cover));
        exit.Deliver([_client.Wrap(new byte[1611], PacketSize.Regular, 5, 1)]);
        Assert.Equal(1, exit.Count(Counter.Delivery_BadFragment));

        byte[] noPadding = new byte[1611];
        new FragmentHeader(5, 1, 1).Write(noPadding);
        noPadding.AsSpan(4, 2).Fill(1);
        exit.Deliver([_client.Wrap(noPadding, PacketSize.Regular, 5, 1)]);
        Assert.Equal(1, exit.Count(Counter.Delivery_BadPadding));

        exit.Deliver(_client.Send([7, 7]));
        Assert.Equal(1, exit.Count(Counter.Delivery_BadMessage));
        exit.Deliver(_client.Send([2, 0, 5]));
        Assert.Equal(1, exit.Count(Counter.Delivery_UnexpectedMessage));
        byte[] lying = _client.Message([1], surbs: 1);
        lying[19] = 200;
        exit.Deliver(_client.Send(lying));
        byte[] badHop = _client.Message([1], surbs: 1);
        badHop[22 + ReplySurb.FirstHopOffset] = 9;
        exit.Deliver(_client.Send(badHop));
        Assert.Equal(3, exit.Count(Counter.Delivery_BadMessage));
        byte[] neither = _client.Message([1]);
        neither[17] = 4;
        exit.Deliver(_client.Send(neither));
        Assert.Equal(1, exit.Count(Counter.Delivery_NoReturnPath));

        exit.Deliver(new byte[386], PacketSize.Acknowledgement);
        exit.Run();
        Assert.Equal(1, exit.Count(Counter.Sphinx_BadMac));
        Assert.Equal(1, exit.Count(Counter.Sphinx_BadKey));
        Assert.Empty(exit.One.Service.Messages);
        exit.Flush();
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void DataMayOvertakeTheMessageThatBringsTheSurbs()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        exit.Deliver(_client.Send(_client.Message([7])));
        exit.Deliver(_client.Send(_client.Message([8], surbs: 1)));
        Assert.Equal(2, exit.One.Service.Messages.Count);
        Assert.Single(exit.One.Service.Messages.Select(m => m.Peer).Distinct());
        Assert.Equal(1, exit.Count(Counter.Delivery_PeersOpened));
    }

    [Fact]
    public void PacketsForOthersAndForwardHopsAreRefused()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        byte[] packet = new byte[2413];
        byte[] addresses = new byte[64];
        NodeAddress.From(_lab.Exit.Address).Write(addresses.AsSpan(0, 32));
        NodeAddress.From(_lab.Entry.Address).Write(addresses.AsSpan(32));
        var batch = new ForwardPacketBatch();
        batch.Add(
            0, PacketSize.Regular,
            new FastExit.Crypto.Sphinx.SphinxRoute(
                [.. _lab.Exit.SphinxKey, .. _lab.Entry.SphinxKey], addresses, new ulong[2], new byte[32], new byte[16]),
            _lab.Service.EncryptionKey, new byte[405]);
        batch.Build(packet);
        exit.Deliver(packet, PacketSize.Regular);
        batch.Clear();
        batch.Add(
            0, PacketSize.Regular,
            new FastExit.Crypto.Sphinx.SphinxRoute(
                _lab.Exit.SphinxKey, addresses.AsSpan(0, 32), new ulong[1], new byte[32], new byte[16]),
            _lab.Service.EncryptionKey, new byte[405]);
        batch.Build(packet);
        exit.Deliver(packet, PacketSize.Regular);
        exit.Run();
        Assert.Equal(1, exit.Count(Counter.Sphinx_ForwardHopsRefused));
        Assert.Equal(1, exit.Count(Counter.Sphinx_UnknownDestination));
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void AFullReplayFilterRefusesWhatItCannotRemember()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet, keys: new SphinxKeySet((_lab.Exit.PrivateKey, 1u, new ReplayFilter(1))));
        const int Packets = 200;
        for (byte i = 0; i < Packets; i++)
            exit.Deliver(_client.Send(_client.Message([i], surbs: 1))[0].Bytes, PacketSize.Regular);
        exit.Run();
        long full = exit.Count(Counter.Sphinx_ReplayFilterFull);
        Assert.InRange(full, 1, Packets - 1);
        Assert.Equal(Packets - full, exit.One.Service.Messages.Count);
        Assert.Equal(0, exit.Count(Counter.Sphinx_Replays));
        exit.Flush();
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void WhatNoHonestClientBuildsIsCountedByReason()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        exit.Deliver(FinalPacket(new byte[PacketSizes.KeyBlockBytes]), PacketSize.Regular);
        exit.Run();
        Assert.Equal(1, exit.Count(Counter.Sphinx_FinalHops));
        Assert.Equal(1, exit.Count(Counter.Delivery_BadEphemeralKey));

        System.Text.Json.JsonElement entry = SphinxVectors.Entries("bad_packets").Single(e => e.GetProperty("id").GetString() == "zero-flag");
        byte[] key = Convert.FromHexString(entry.GetProperty("node_private_keys")[0].GetString()!);
        using var vector = new ExitBench(_lab, delivery: s_quiet, keys: new SphinxKeySet((key, 1u, new ReplayFilter(1000))));
        vector.Deliver(Convert.FromHexString(entry.GetProperty("packet").GetString()!), PacketSize.Regular);
        vector.Run();
        Assert.Equal(1, vector.Count(Counter.Sphinx_BadRouting));
        Assert.Equal(0, vector.Count(Counter.Sphinx_BadMac));
        Assert.Equal(0, vector.SlotsInUse);
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void WhatIsRefusedForWantOfRoomIsNotAcknowledged(int cores)
    {
        var memory = new MemorySettings { RegularSlots = 512, ExtendedSlots = 4, AssemblyBytes = 4 * 16384, HugePages = false };
        using var exit = new ExitBench(_lab, cores: cores, delivery: s_quiet, memory: memory);
        // One slot of 16 KiB and no larger one: a set of 60 kB finds no room at all.
        ClientPacket[] packets = _client.Send(_client.Message(new byte[60_000], surbs: 1));
        for (int i = 0; i < packets.Length; i++)
            exit.Deliver(packets[i], i % cores);
        exit.Run();
        Assert.Equal(packets.Length, exit.Count(Counter.Delivery_AssemblyMemoryExhausted));
        Assert.Equal(0, exit.Count(Counter.Sphinx_AcksReleased));
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void MessagesOfOneTagMeetOnOneCoreAndSlotsGoHome()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet, cores: 2);
        int packets = 0;
        for (int i = 0; i < 12; i++)
        {
            byte[] data = new byte[i % 3 == 0 ? 20_000 : 100];
            data[0] = (byte)i;
            int core = i;
            packets += FragmentPlan.For(MessageWriter.RepliableHeaderBytes + 460 + data.Length, 1611).Packets;
            foreach (ClientPacket packet in _client.Send(_client.Message(data, surbs: 1)))
                exit.Deliver(packet, core++ % 2);
            exit.Run();
            exit.Flush();
        }

        Assert.Contains(exit.Cores, c => c.Service.Messages.Count == 12);
        Assert.Contains(exit.Cores, c => c.Service.Messages.Count == 0);
        Assert.True(exit.Count(Counter.Delivery_MovedToOtherCore) > 0);
        Assert.Equal(packets, exit.Count(Counter.Sphinx_AcksReleased));
        exit.Run();
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void MessagesWaitForAFullRing()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet, cores: 2, parcels: 1);
        exit.Deliver(_client.Send(_client.Message([0], surbs: 1)));
        exit.Flush();
        int home = exit.Cores.Single(c => c.Service.Count == 1).Index;
        int away = 1 - home;

        // Sets that are put together on the core where their client does not live, so that the message must move.
        ClientPacket[][] messages = [.. Enumerable.Range(0, 2).Select(i => SetOn(away, (byte)(i + 1)))];
        foreach (ClientPacket[] message in messages)
        {
            foreach (ClientPacket packet in message[..^1])
                exit.Deliver(packet, away);
        }

        exit.Run();
        exit.Flush();
        Assert.Equal(1, exit.Cores[home].Service.Count);
        long acks = exit.Count(Counter.Sphinx_AcksReleased);

        // Both become complete within one turn, and the ring has room for one.
        exit.Deliver(messages[0][^1], away);
        exit.Deliver(messages[1][^1], away);
        exit.Run();
        Assert.Equal(1, exit.Count(Counter.Delivery_WaitedForRing));
        Assert.Equal(acks + 2, exit.Count(Counter.Sphinx_AcksReleased));
        Assert.Equal(2, exit.Cores[home].Service.Count);
        exit.Pass(10);
        Assert.Equal(3, exit.Cores[home].Service.Count);
        Assert.Equal([1, 2], exit.Cores[home].Service.Messages.Skip(1).Select(m => (int)m.Data[0]));
        Assert.Equal(0, exit.Count(Counter.Delivery_RingFull));
        exit.Flush();
        exit.Run();
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void WhoseRingIsFullIsNotTakenForLate()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet, cores: 2, parcels: 1);
        exit.Deliver(_client.Send(_client.Message([0], surbs: 1)));
        exit.Flush();
        int home = exit.Cores.Single(c => c.Service.Count == 1).Index;
        ClientPacket[] packets = [.. Enumerable.Range(1, 2).Select(i => _client.Send(_client.Message([(byte)i])).Single())];
        long acks = exit.Count(Counter.Sphinx_AcksReleased);
        foreach (ClientPacket packet in packets)
            exit.Deliver(packet, 1 - home);
        exit.Run();
        Assert.Equal(1, exit.Count(Counter.Delivery_RingFull));
        Assert.Equal(acks + 1, exit.Count(Counter.Sphinx_AcksReleased));
        Assert.Equal(2, exit.Cores[home].Service.Count);
    }

    [Fact]
    public void AcksComeBackThroughEitherCore()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet, cores: 2);
        exit.Deliver(_client.Send(_client.Message([1], surbs: 20)), core: 1);
        CoreRooms home = exit.Cores.Single(c => c.Service.Messages.Count == 1);
        exit.Flush();
        for (int i = 0; i < 8; i++)
            Assert.Equal(1, home.Replies.Send(home.Service.Messages[0].Peer, [4, 5, (byte)i], 100 + i));
        List<ClientFragment> fragments = exit.Receive(_client);
        for (int i = 0; i < fragments.Count; i++)
            exit.Acknowledge(fragments[i], core: i % 2);
        Assert.Equal(8, home.Service.Acknowledged.Count);
        Assert.Equal(0, exit.Count(Counter.Delivery_AcksUnknown));
        Assert.Equal(0, home.Replies.Pending);
    }

    private ClientPacket[] SetOn(int core, byte number)
    {
        while (true)
        {
            byte[] data = new byte[5000];
            data[0] = number;
            ClientPacket[] packets = _client.Send(_client.Message(data));
            if (SetHome.Of(packets[0].SetId, 2) == core)
                return packets;
        }
    }

    /// <summary>A packet for the service, of one hop, whose key block is as given.</summary>
    private byte[] FinalPacket(byte[] keyBlock)
    {
        byte[] address = new byte[NodeAddress.SphinxBytes];
        NodeAddress.From(_lab.Exit.Address).Write(address);
        var headers = new FastExit.Crypto.Sphinx.SphinxHeaderBatch();
        headers.Add(
            new FastExit.Crypto.Sphinx.SphinxRoute(
                _lab.Exit.SphinxKey, address, new ulong[1], _lab.Service.Identity, new byte[16]),
            259);
        headers.Build();
        byte[] plaintext = new byte[PacketSizes.PlaintextBytes(PacketSize.Regular)];
        NodeAddress.From(_lab.Entry.Address).Write(plaintext.AsSpan(0, NodeAddress.AckPrefixBytes));
        keyBlock.CopyTo(plaintext, PacketSizes.AckPrefixBytes);
        return SphinxRun.Packet(headers.Header(0), headers.PayloadKeys(0), PacketSizes.PayloadBytes(PacketSize.Regular), plaintext);
    }
}
