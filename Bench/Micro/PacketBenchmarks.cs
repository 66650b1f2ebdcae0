using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;

namespace FastExit.Bench.Micro;

/// <summary>What Sphinx and the end-to-end layer cost per regular packet, in batches of eight.</summary>
public class PacketBenchmarks
{
    private const int Lanes = SphinxSizes.MaximumLanes;
    private const int PacketBytes = 2413;

    private readonly PacketForge _forge = new();
    private readonly SphinxHopBatch _hops = new() { TagsBySeedBlock = true };
    private readonly FragmentCipherBatch _cipher = new();
    private readonly AckBatch _acks = new();
    private readonly ReplyPacketBatch _replies = new();
    private readonly SphinxLane[] _lanes = new SphinxLane[Lanes];
    private readonly FragmentLane[] _fragments = new FragmentLane[Lanes];
    private readonly byte[] _pristine = new byte[Lanes * PacketBytes];
    private readonly byte[] _region = new byte[Lanes * PacketBytes];
    private readonly byte[][] _surbs = new byte[Lanes][];
    private readonly byte[] _identifier = new byte[16];
    private readonly byte[] _ackPrefix = new byte[PacketSizes.AckPrefixBytes];

    [GlobalSetup]
    public void Setup()
    {
        for (int i = 0; i < Lanes; i++)
        {
            _forge.AtExit(1000).CopyTo(_pristine, i * PacketBytes);
            _surbs[i] = _forge.ReplySurb();
        }

        RandomNumberGenerator.Fill(_ackPrefix);
    }

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void FinalHop()
    {
        _pristine.CopyTo(_region, 0);
        for (int i = 0; i < Lanes; i++)
            _lanes[i] = new SphinxLane { Offset = i * PacketBytes, Length = PacketBytes };
        _hops.OpenHeaders(_region, _lanes, _forge.SphinxPrivateKey);
        _hops.OpenPayloads(_region, _lanes);
        foreach (ref readonly SphinxLane lane in _lanes.AsSpan())
        {
            if (lane.Status != SphinxStatus.Final)
                throw new InvalidOperationException("not a final hop");
        }
    }

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void EndToEndDecrypt()
    {
        for (int i = 0; i < Lanes; i++)
            _fragments[i] = new FragmentLane { Offset = i * PacketBytes, Length = 1643 };
        _cipher.DecryptForward(_region, _fragments, _forge.EncryptionPrivateKey);
    }

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void AckBuild()
    {
        _acks.Clear();
        for (int i = 0; i < Lanes; i++)
        {
            _acks.Add(
                _forge.Routes.Draw(_forge.Routes.OwnGatewayOf(KeyRotation.Unknown), _forge.Address.Identity, _identifier),
                _forge.AckKey, 1, (byte)(i + 1));
        }

        _acks.Build();
    }

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void ReplyBuildWithGivenAck()
    {
        _replies.Clear();
        for (int i = 0; i < Lanes; i++)
            _replies.Add(i * PacketBytes, PacketSize.Regular, _surbs[i], _ackPrefix);
        _replies.Build(_region);
    }
}
