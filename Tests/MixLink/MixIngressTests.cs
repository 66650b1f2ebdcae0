using System.Net.Sockets;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.MixLink;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.MixLink;

public sealed class MixIngressTests
{
    private readonly SeededBytes _random = new(8);

    [Fact]
    public void FramesSplitAnywhereArrive()
    {
        using var link = new LinkFixture();
        byte[] stream = [.. Frame(7, 1), .. Frame(8, 2), .. Frame(8, 1)];
        using Socket socket = link.Connect();
        int sent = 0;
        // Every position of the headers and around the borders, and some within.
        for (int at = 1; at < stream.Length; at += at is > 8 and < 2405 or > 2425 and < 2795 or > 2815 ? 97 : 1)
        {
            socket.Send(stream.AsSpan(0, at));
            link.Turn();
            socket.Send(stream.AsSpan(at));
            sent += 3;
            Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == sent));
        }

        // Garbage packets: every one was whole, so the MAC was looked at and refused.
        Assert.Equal(sent, link[Counter.Sphinx_BadMac]);
        Assert.Equal(0, link.SlotsInUse);
        socket.Close();
        Assert.True(link.Until(() => link.Ingress.Connections == 0));
        Assert.Equal(0, link[Counter.MixLink_TruncatedFrame]);
    }

    [Fact]
    public void RandomStreamsInRandomPieces()
    {
        using var link = new LinkFixture();
        Socket[] sockets = [.. Enumerable.Range(0, 8).Select(_ => link.Connect())];
        int frames = 0;
        for (int round = 0; round < 60; round++)
        {
            foreach (Socket socket in sockets)
            {
                byte[] stream = [.. Enumerable.Range(0, _random.Below(4) + 1)
                    .SelectMany(_ => { frames++; return Frame(7 + _random.Below(2), _random.Below(12) == 0 ? 3 + _random.Below(3) : 1 + _random.Below(2)); })];
                for (int at = 0; at < stream.Length;)
                {
                    int piece = Math.Min(stream.Length - at, 1 + _random.Below(_random.Below(3) == 0 ? 5 : 9000));
                    socket.Send(stream.AsSpan(at, piece));
                    at += piece;
                    if (_random.Below(4) == 0)
                        link.Turn();
                }
            }
        }

        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == frames));
        Assert.Equal(frames, link[Counter.Sphinx_BadMac] + link[Counter.MixLink_NoSlot]);
        Assert.Equal(8, link.Ingress.Connections);
        foreach (Socket socket in sockets)
            socket.Dispose();
        Assert.True(link.Until(() => link.Ingress.Connections == 0));
        Assert.Equal(0, link.SlotsInUse);
    }

    [Theory]
    [InlineData("01", Counter.MixLink_BadVersion)]
    [InlineData("0706", Counter.MixLink_BadSize)]
    [InlineData("070102", Counter.MixLink_BadType)]
    [InlineData("08010003", Counter.MixLink_BadRotation)]
    public void BadFramingClosesThatConnectionAlone(string hex, Counter counter)
    {
        using var link = new LinkFixture();
        using Socket good = link.Connect(), bad = link.Connect();
        bad.Send([.. Frame(7, 1), .. Convert.FromHexString(hex), .. new byte[50_000]]);
        Assert.True(link.Until(() => link[Counter.MixLink_ConnectionsClosed] == 1));
        Assert.Equal(1, link[counter]);
        Assert.Equal(1, link[Counter.MixLink_FramesReceived]);
        good.Send(Frame(8, 1));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == 2));
        Assert.Equal(1, link.Ingress.Connections);
        Assert.Equal(0, link.SlotsInUse);
    }

    [Fact]
    public void CutAndStalledFramesGiveTheirSlotsBack()
    {
        using var link = new LinkFixture();
        Socket cut = link.Connect(), stalled = link.Connect(), idle = link.Connect();
        cut.Send(Frame(7, 1).AsSpan(0, 1000));
        stalled.Send(Frame(7, 3).AsSpan(0, 30_000));
        Assert.True(link.Until(() => link.SlotsInUse == 2 && link.Ingress.Connections == 3));
        cut.Dispose();
        Assert.True(link.Until(() => link[Counter.MixLink_TruncatedFrame] == 1 && link.Ingress.Connections == 2));
        link.Skew = 31_000;
        Assert.True(link.Until(() => link[Counter.MixLink_StalledFrame] == 1 && link.Ingress.Connections == 1));
        Assert.Equal(0, link.SlotsInUse);
        idle.Send(Frame(7, 2));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == 1));
        stalled.Dispose();
        idle.Dispose();
    }

    [Fact]
    public void WithoutSlotsPacketsAreDroppedAndFramingHolds()
    {
        using var link = new LinkFixture(regularSlots: 4) { RunsStage = false };
        using Socket socket = link.Connect();
        for (int i = 0; i < 10; i++)
            socket.Send(Frame(7, 1));
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == 10));
        Assert.Equal(6, link[Counter.MixLink_NoSlot]);
        link.RunsStage = true;
        link.Turn();
        socket.Send(Frame(7, 1));
        Assert.True(link.Until(() => link[Counter.Sphinx_BadMac] == 5));
        Assert.Equal(0, link.SlotsInUse);
    }

    [Fact]
    public void ConnectionsAreBoundedAndTheirPlacesReused()
    {
        using var link = new LinkFixture();
        for (int round = 0; round < 5; round++)
        {
            Socket[] sockets = [.. Enumerable.Range(0, 120).Select(_ => link.Connect())];
            Assert.True(link.Until(() => link[Counter.MixLink_ConnectionsEvicted] == 20 * (round + 1) && link.Ingress.Connections == 100));
            foreach (Socket socket in sockets)
                socket.Dispose();
            Assert.True(link.Until(() => link.Ingress.Connections == 0));
        }

        Assert.Equal(600, link[Counter.MixLink_ConnectionsClosed]);
        Assert.Equal(0, link[Counter.MixLink_ConnectionsRefusedLimit]);
        Assert.Equal(0, link[Counter.MixLink_AcceptErrors]);
    }

    [Fact]
    public void ShortageOfBuffersOnlyDelays()
    {
        using var link = new LinkFixture();
        Socket[] sockets = [.. Enumerable.Range(0, 90).Select(_ => link.Connect())];
        Assert.True(link.Until(() => link.Ingress.Connections == 90));
        byte[] stream = [.. Enumerable.Range(0, 12).SelectMany(_ => Frame(7, 1))];
        foreach (Socket socket in sockets)
            socket.Send(stream);
        Assert.True(link.Until(() => link[Counter.MixLink_FramesReceived] == 90 * 12));
        Assert.True(link[Counter.MixLink_ReceiveBuffersExhausted] > 0);
        Assert.Equal(90, link.Ingress.Connections);
        Assert.Equal(0, link.SlotsInUse);
        foreach (Socket socket in sockets)
            socket.Dispose();
    }

    private byte[] Frame(int version, int size)
    {
        var header = new FrameHeader((byte)version, (PacketSize)size, KeyRotation.Unknown);
        byte[] frame = new byte[header.Bytes + header.PacketBytes];
        _random.Fill(frame);
        header.Write(frame);
        return frame;
    }
}
