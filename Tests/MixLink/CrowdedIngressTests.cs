using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.MixLink;

/// <summary>Who holds slots and places without bringing packets must not stop those who do.</summary>
public sealed class CrowdedIngressTests : IDisposable
{
    private const int ExtendedSlots = 256;
    private readonly List<Socket> _crowd = [];
    private readonly SeededBytes _random = new(5);

    public void Dispose() => _crowd.ForEach(socket => socket.Dispose());

    [Fact]
    public void ThousandsOfPartialFramesDoNotStopAnother()
    {
        using LinkFixture link = Crowded(limit: 4096);
        using Socket known = link.Connect(), newcomer = link.Connect();
        byte[] partial = Frame(PacketSize.Extended32)[..1000];
        int whole = 0;
        void Send(Socket socket, int crowdBetween)
        {
            byte[] frame = Frame(PacketSize.Extended32);
            socket.Send(frame.AsSpan(0, 20_000));
            Assert.True(link.Until(() => link[Counter.MixLink_BytesReceived] > 0));
            link.Turn();
            Crowd(link, crowdBetween, partial);
            socket.Send(frame.AsSpan(20_000));
            whole++;
            Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == whole));
        }

        Send(known, 0);
        // More begin within one of its frames than there are slots, again and again.
        for (int i = 0; i < 8; i++)
            Send(known, ExtendedSlots + 44);
        Assert.Equal(2400, _crowd.Count);

        // One that was never heard of only has to be faster than a whole pool of them.
        Send(newcomer, ExtendedSlots / 2);
        for (int i = 0; i < 30; i++)
            Send(known, 10);
        Assert.Equal(whole, link[Counter.Sphinx_BadMac]);
        Assert.Equal(0, link[Counter.MixLink_NoSlot]);
        int held = link.Pool.InUse(SlotClass.Extended);
        Assert.InRange(held, (ExtendedSlots * 3 / 4) - 1, ExtendedSlots * 3 / 4);
        Assert.Equal(_crowd.Count - held, link[Counter.MixLink_PartialFramesDropped]);

        // A frame that lost its slot still ends where it should: the next one is taken.
        Socket first = _crowd[0];
        first.Send(new byte[Frame(PacketSize.Extended32).Length - partial.Length]);
        first.Send(Frame(PacketSize.Extended32));
        Assert.True(link.Until(() => link[Counter.Sphinx_BadMac] == whole + 1));
        Assert.Equal(whole + 2, link[Counter.MixLink_FramesReceived]);
        link.Skew = 31_000;
        Assert.True(link.Until(() => link[Counter.MixLink_StalledFrame] == _crowd.Count - 1));
        Assert.Equal(0, link.SlotsInUse);
    }

    [Fact]
    public void SilentConnectionsGiveWayToNewcomersAndEnd()
    {
        const int Limit = 4096, Silent = 4600;
        using LinkFixture link = Crowded(Limit);
        Socket[] known = [.. Enumerable.Range(0, 20).Select(_ => link.Connect())];
        foreach (Socket socket in known)
            socket.Send(Frame(PacketSize.Regular));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == known.Length));
        Crowd(link, Silent, []);
        Assert.True(link.Until(() => link.Ingress.Connections == Limit));
        Assert.Equal(Silent + known.Length - Limit, link[Counter.MixLink_ConnectionsEvicted]);

        using Socket newcomer = link.Connect();
        for (int i = 1; i <= 20; i++)
        {
            newcomer.Send(Frame(PacketSize.Regular));
            Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == known.Length + i));
        }

        // Whoever brought a packet is still there.
        foreach (Socket socket in known)
            socket.Send(Frame(PacketSize.Regular));
        Assert.True(link.Until(() => link[Counter.Sphinx_BadMac] == (2 * known.Length) + 20));
        Assert.Equal(0, link[Counter.MixLink_ConnectionsRefusedLimit]);

        link.Skew = (long)LinkFixture.Settings.IngressIdle.TotalMilliseconds - 5000;
        foreach (Socket socket in known)
            socket.Send(Frame(PacketSize.Regular));
        Assert.True(link.Until(() => link[Counter.Sphinx_BadMac] == (3 * known.Length) + 20));
        Assert.Equal(0, link[Counter.MixLink_ConnectionsIdle]);
        link.Skew += 60_000;
        Assert.True(link.Until(() => link.Ingress.Connections == known.Length));
        Assert.Equal(Limit - known.Length, link[Counter.MixLink_ConnectionsIdle]);
        foreach (Socket socket in known)
            socket.Dispose();
    }

    [Fact]
    public void WhoWasHeardLatelyStaysAndWhoWasNotGoes()
    {
        using SlotPool pool = Pool();
        var connections = new IngressConnections(3, pool);
        Assert.Equal(IndexLists.None, connections.Silent(0));
        Assert.True(connections.TryAdd(1, 0, out int old));
        Assert.True(connections.TryAdd(2, 0, out int fresh));
        connections.TakeFrame(old, 1000);
        connections.TakeFrame(fresh, 50_000);
        Assert.Equal(old, connections.Silent(50_000));
        Assert.True(connections.TryAdd(3, 50_500, out int unheard));
        Assert.True(connections.IsFull);
        // Until its time is over the known one stays; then silence alone counts.
        Assert.Equal(unheard, connections.Silent(1000 + IngressConnections.ProvenMilliseconds));
        Assert.Equal(old, connections.Silent(1001 + IngressConnections.ProvenMilliseconds));
        Assert.Equal(unheard, connections.SilentSince(50_501));
        connections.Leave(unheard);
        connections.Return(unheard);
        Assert.Equal(old, connections.SilentSince(50_501));
        Assert.Equal(IndexLists.None, connections.SilentSince(1000));
    }

    [Fact]
    public void SlotsAndRecordsAddUpAndNothingIsAllocated()
    {
        using SlotPool pool = Pool();
        var connections = new IngressConnections(40, pool);
        var live = new int[40];
        int count = 0;
        long dropped = 0, before = GC.GetAllocatedBytesForCurrentThread();
        bool sound = true;
        for (int step = 0; step < 1_000_000; step++)
        {
            int at = _random.Below(Math.Max(1, count));
            switch (_random.Below(4))
            {
                case 0 when !connections.IsFull:
                    sound &= connections.TryAdd(step, step, out live[count++]);
                    break;
                case 1 when count > 0 && connections[live[at]].PacketBytes == 0:
                    connections[live[at]].PacketBytes = 1;
                    dropped += connections.RentSlot(live[at], (SlotClass)_random.Below(2));
                    sound &= !connections[live[at]].Slot.IsNone;
                    break;
                case 2 when count > 0 && connections[live[at]].PacketBytes == 1:
                    connections[live[at]].PacketBytes = 0;
                    if (connections.TakeFrame(live[at], step) is { IsNone: false } slot)
                        pool.Free(slot);
                    break;
                case 3 when count > 0 && _random.Below(4) == 0:
                    int index = at == 0 ? connections.Silent(step) : live[at];
                    connections.Leave(index);
                    connections.Return(index);
                    live[Array.IndexOf(live, index, 0, count)] = live[--count];
                    break;
            }

            int held = 0;
            for (int i = 0; i < count; i++)
                held += connections[live[i]].Slot.IsNone ? 0 : 1;
            sound &= held == pool.InUse(SlotClass.Regular) + pool.InUse(SlotClass.Extended)
                && pool.InUse(SlotClass.Regular) <= 12 && pool.InUse(SlotClass.Extended) <= 6 && connections.InUse == count;
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(sound);
        Assert.True(dropped > 1000);
    }

    private static LinkFixture Crowded(int limit) => new(
        LinkFixture.Settings with { MaximumConnections = limit }, extendedSlots: ExtendedSlots, descriptors: 8192);

    private static SlotPool Pool() => new(
        0, new MemorySettings { RegularSlots = 16, ExtendedSlots = 8, AssemblyBytes = 6 << 20, HugePages = false });

    private void Crowd(LinkFixture link, int count, ReadOnlySpan<byte> bytes)
    {
        long received = link[Counter.MixLink_BytesReceived] + ((long)count * bytes.Length);
        for (int i = 0; i < count; i++)
        {
            Socket socket = link.Connect();
            _crowd.Add(socket);
            if (!bytes.IsEmpty)
                socket.Send(bytes);
            if (i % 100 == 99)
                link.Turn();
        }

        Assert.True(link.Until(() => link[Counter.MixLink_BytesReceived] >= received
            && link[Counter.MixLink_ConnectionsAccepted] >= _crowd.Count),
            string.Join(", ", Enum.GetValues<Counter>().Where(c => link[c] != 0).Select(c => $"{c} {link[c]}")));
    }

    private byte[] Frame(PacketSize size)
    {
        var header = new FrameHeader(FrameHeader.LegacyVersion, size, KeyRotation.Unknown);
        byte[] frame = new byte[header.Bytes + header.PacketBytes];
        _random.Fill(frame);
        header.Write(frame);
        return frame;
    }
}
