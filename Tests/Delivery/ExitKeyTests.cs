using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using FastExit.Delivery;
using FastExit.Sphinx;
using FastExit.Tests.MixLink;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>Which Sphinx key opens a packet, and what its filter remembers of it.</summary>
public sealed class ExitKeyTests : IDisposable
{
    private static readonly DeliverySettings s_quiet = new()
    {
        SurbBytes = 1 << 20,
        MaximumPeers = 64,
        MaximumSets = 256,
        MaximumPendingAcks = 512,
        SurbMinimum = 0,
    };

    private readonly MixLab _lab = new();
    private readonly LabClient _client;

    public ExitKeyTests() => _client = new LabClient(_lab);

    public void Dispose() => _lab.Dispose();

    /// <summary>By which bytes packets are remembered is part of the filter's file format: another rule needs another version of it.</summary>
    [Fact]
    public void ASeededFinalHopIsRememberedByTheBytesBehindItsSeed()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        byte[] packet = _client.Send(_client.Message([1], surbs: 0))[0].Bytes;
        byte[] secret = new byte[32], expanded = new byte[SharedSecretExpansion.Bytes];
        X25519.Multiply(_lab.Exit.PrivateKey, packet.AsSpan(0, 32), secret);
        SharedSecretExpansion.Start(secret).ExtendTo(SharedSecretExpansion.AllBlocks, expanded);
        exit.Deliver(packet, PacketSize.Regular);
        exit.Run();
        Assert.Single(exit.One.Service.Messages);
        Assert.Equal(ReplayVerdict.Replay, exit.Keys.Filter(0).Check([.. expanded[48..64], .. expanded[48..64]]));
        Assert.Equal(ReplayVerdict.Fresh, exit.Keys.Filter(0).Check(expanded.AsSpan(256, 32)));
        Assert.Equal(2u, ReplayFilterFile.Version);
    }

    [Fact]
    public void KeysOfThreeRotationsAreTried()
    {
        var keys = new SphinxKeySet(
            (Ed25519.GenerateSeed(), 3u, new ReplayFilter(1000)),
            (Ed25519.GenerateSeed(), 2u, new ReplayFilter(1000)),
            (_lab.Exit.PrivateKey, 1u, new ReplayFilter(1000)));
        using var exit = new ExitBench(_lab, delivery: s_quiet, keys: keys);
        byte[] packet = _client.Send(_client.Message([1], surbs: 1))[0].Bytes;
        exit.Deliver(packet, PacketSize.Regular);
        exit.Deliver(packet, PacketSize.Regular);
        exit.Run();
        Assert.Single(exit.One.Service.Messages);
        Assert.Equal(1, exit.Count(Counter.Sphinx_Replays));
        Assert.Equal(0, exit.Count(Counter.Sphinx_BadMac));
    }

    [Fact]
    public void KeysOfBothRotationsAreTried()
    {
        byte[] other = Ed25519.GenerateSeed();
        var keys = new SphinxKeySet(
            (other, 2u, new ReplayFilter(1000)), (_lab.Exit.PrivateKey, 1u, new ReplayFilter(1000)));
        using var exit = new ExitBench(_lab, delivery: s_quiet, keys: keys);
        ClientPacket[] packets = [.. Enumerable.Range(0, 3).Select(i => _client.Send(_client.Message([(byte)i], surbs: 1))[0])];
        exit.Deliver(packets[0]);
        exit.Deliver(packets[1], rotation: KeyRotation.Odd);
        exit.Deliver(packets[2], rotation: KeyRotation.Even);
        exit.Run();
        Assert.Equal(2, exit.One.Service.Messages.Count);
        Assert.Equal(1, exit.Count(Counter.Sphinx_BadMac));
        // The acks bear the rotation of the frame that brought them (end-to-end.md §5.4); v7 framing says nothing of it.
        Assert.All(exit.Flush(), f => Assert.Equal(KeyRotation.Unknown, f.Frame.Header.Rotation));
    }
}
