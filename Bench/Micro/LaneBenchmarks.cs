using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Micro;

/// <summary>
/// Hashes and ciphers of several packets side by side, at every CPU level that this machine has and at the sizes of the
/// packet path: time per lane. What a single one costs stands beside it as <see cref="PrimitiveBenchmarks"/> and as the
/// system's SHA-256 here.
/// </summary>
public class LaneBenchmarks
{
    private const int Lanes = 16, Packets = 8, PacketBytes = 2413, PayloadBytes = 2065, RoutingBytes = 300, StreamBytes = 333;
    private const int ExpandedBytes = 288, ExpandedBlocks = 9;

    private readonly byte[] _region = RandomNumberGenerator.GetBytes(Lanes * PacketBytes);
    private readonly byte[] _keys = RandomNumberGenerator.GetBytes(Lanes * Lioness.KeyBytes);
    private readonly byte[] _output = new byte[Lanes * ExpandedBytes];
    private readonly byte[] _nonce = new byte[ChaCha20.NonceBytes];
    private readonly LaneRange[] _blocks = Ranges(Lanes, Sha256.BlockBytes);
    private readonly LaneRange[] _routing = Ranges(Lanes, RoutingBytes);
    private readonly LaneRange[] _hashed = Ranges(Packets, PayloadBytes - 32);
    private readonly LaneRange[] _digests = Ranges(Lanes, Blake3.HashBytes);
    private readonly LaneRange[] _streams = Ranges(Packets, StreamBytes);
    private readonly LionessLane[] _payloads =
        [.. Ranges(Packets, PayloadBytes).Select(range => new LionessLane(range.Offset, range.Length))];

    private readonly HmacSha256Key _salt = HmacSha256Key.Create([]);
    private readonly HkdfSha256Info _info = new(RandomNumberGenerator.GetBytes(98), ExpandedBlocks);
    private HkdfSha256Lanes _expansion = new();

    /// <summary>Those of this CPU.</summary>
    public static IEnumerable<CpuLevel> Levels => Enum.GetValues<CpuLevel>().Where(level => level <= CpuLevels.Highest);

    /// <summary>Of the kernels.</summary>
    [ParamsSource(nameof(Levels))]
    public CpuLevel Level { get; set; }

    [GlobalSetup]
    public void Setup() => _expansion = new(Level);

    [Benchmark]
    public void Sha256OfTheSystemBlock() => SHA256.HashData(_region.AsSpan(0, Sha256.BlockBytes), _output);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void Sha256Block() => Sha256Lanes.Hash(Level, _region, _blocks, _output);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void HmacSha256Routing() =>
        HmacSha256Lanes.Compute(Level, new(_keys, 16), _region, _routing, _output, 16, 16);

    [Benchmark(OperationsPerInvoke = Packets)]
    public void HmacSha256RoutingOf8() =>
        HmacSha256Lanes.Compute(Level, new(_keys, 16), _region, _routing.AsSpan(0, Packets), _output, 16, 16);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void HkdfSha256Expand() => Expand(Lanes);

    [Benchmark(OperationsPerInvoke = Packets)]
    public void HkdfSha256ExpandOf8() => Expand(Packets);

    [Benchmark(OperationsPerInvoke = Packets)]
    public void Blake2bPayload() => Blake2bLanes.KeyedHash(Level, new(_keys, 64), _region, _hashed, _output, 32);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void Blake3Digest() => Blake3Lanes.Hash(Level, _region, _digests, _output);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void FragmentKeysHkdfBlake3() =>
        HkdfBlake3Lanes.DeriveFragmentKeys(Level, new(_region, 32), Lanes, _output, 16);

    [Benchmark]
    public void ChaCha20Payload() => ChaCha20.Xor(Level, _keys.AsSpan(0, 32), _nonce, 0, _region.AsSpan(0, PayloadBytes - 32));

    [Benchmark(OperationsPerInvoke = Packets)]
    public void AesCtrHeaderStream() => AesCtr.TransformZeroIvLanes(Level, new(_keys, 16), _region, _streams);

    [Benchmark(OperationsPerInvoke = Packets)]
    public void LionessEncrypt() => Lioness.EncryptLanes(Level, _region, _payloads, _keys);

    [Benchmark(OperationsPerInvoke = Packets)]
    public void LionessDecrypt() => Lioness.DecryptLanes(Level, _region, _payloads, _keys);

    private static LaneRange[] Ranges(int lanes, int bytes) =>
        [.. Enumerable.Range(0, lanes).Select(lane => new LaneRange(lane * PacketBytes, bytes))];

    private void Expand(int lanes)
    {
        _expansion.Extract(in _salt, new(_keys, 32), lanes);
        _expansion.ExpandTo(_info, ExpandedBlocks, _output, ExpandedBytes);
    }
}
