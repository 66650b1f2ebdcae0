using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using FastExit.Crypto.Noise;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Micro;

/// <summary>One operation of each primitive at the size the packet path uses it (a regular packet: 2,065-byte payload).</summary>
public class PrimitiveBenchmarks
{
    private const int Lanes = X25519.MaximumLanes;

    private readonly byte[] _scalars = RandomNumberGenerator.GetBytes(Lanes * X25519.KeyBytes);
    private readonly byte[] _points = RandomNumberGenerator.GetBytes(Lanes * X25519.KeyBytes);
    private readonly byte[] _results = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _key192 = RandomNumberGenerator.GetBytes(Lioness.KeyBytes);
    private readonly byte[] _payload = RandomNumberGenerator.GetBytes(2065);
    private readonly byte[] _beta = RandomNumberGenerator.GetBytes(300);
    private readonly byte[] _digest = new byte[64];
    private readonly byte[] _frame = new byte[2416];
    private readonly AesGcmStream _record = new();

    public PrimitiveBenchmarks() => _record.SetKey(_key192.AsSpan(0, AesGcmStream.KeyBytes));

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void X25519VariableBase() => X25519.MultiplyLanes(_scalars, _points, _results, Lanes);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void X25519FixedBase() => X25519.MultiplyBaseLanes(_scalars, _results, Lanes);

    [Benchmark]
    public void LionessRegular() => Lioness.Encrypt(_key192, _payload);

    [Benchmark]
    public void HmacSha256Header() => HmacSha256.Compute(_key192.AsSpan(0, 16), _beta, _digest.AsSpan(0, 32));

    [Benchmark]
    public void AesCtrFragment() => AesCtr.TransformZeroIv(_key192.AsSpan(0, 16), _payload.AsSpan(0, 1611));

    /// <summary>A record of the mix link with one regular frame.</summary>
    [Benchmark]
    public void AesGcmFrame()
    {
        _record.Begin(0, default);
        _record.Encrypt(_frame, _frame);
        _record.Finish(_digest.AsSpan(0, AesGcmStream.TagBytes));
    }

    [Benchmark]
    public void FragmentKeyHkdfBlake3() =>
        HkdfBlake3.DeriveFragmentKey(_points.AsSpan(0, 32), _digest.AsSpan(0, 16));
}
