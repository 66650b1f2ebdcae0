using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Micro;

/// <summary>
/// X25519 with each field kernel that this CPU can run, time per operation of eight side by side, and of one alone; to be
/// read beside `openssl speed ecdhx25519` of the same minute, whose operation is a ladder on one point.
/// </summary>
public class X25519Benchmarks
{
    private const int Lanes = X25519.MaximumLanes, KeyBytes = X25519.KeyBytes;

    private readonly byte[] _scalars = RandomNumberGenerator.GetBytes(Lanes * KeyBytes);
    private readonly byte[] _points = new byte[Lanes * KeyBytes];
    private readonly byte[] _results = new byte[Lanes * KeyBytes];
    private readonly X25519Table[] _same = new X25519Table[Lanes], _mixed = new X25519Table[Lanes];
    private FieldKernel _kernel;

    /// <summary>The kernel's name; its type is not public.</summary>
    [ParamsSource(nameof(Kernels))]
    public string Kernel { get; set; } = nameof(FieldKernel.Portable);

    public static IEnumerable<string> Kernels =>
        CpuLevels.Highest switch
        {
            CpuLevel.Avx512 => Enum.GetNames<FieldKernel>(),
            CpuLevel.Avx2 => [nameof(FieldKernel.Portable), nameof(FieldKernel.Avx2)],
            _ => [nameof(FieldKernel.Portable)],
        };

    [GlobalSetup]
    public void Setup()
    {
        _kernel = Enum.Parse<FieldKernel>(Kernel);
        X25519.MultiplyBaseLanes(_scalars, _points, Lanes);
        for (int lane = 0; lane < Lanes; lane++)
        {
            _mixed[lane] = X25519Table.TryCreate(_points.AsSpan(lane * KeyBytes, KeyBytes))
                ?? throw new InvalidOperationException("A public key has a table.");
            _same[lane] = _mixed[0];
        }
    }

    [GlobalCleanup]
    public void Cleanup() => Array.ForEach(_mixed, table => table.Dispose());

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void Ladder() => X25519.MultiplyLanes(_kernel, _scalars, _points, _results, Lanes, clamp: true);

    [Benchmark]
    public void LadderOfOneLane() => X25519.MultiplyLanes(_kernel, _scalars, _points, _results, 1, clamp: true);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void Generator() => X25519.MultiplyBaseLanes(_kernel, _scalars, _results, Lanes, clamp: true);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void OneTable() => X25519.MultiplyTableLanes(_kernel, _scalars, _same, _results, Lanes);

    [Benchmark(OperationsPerInvoke = Lanes)]
    public void MixedTables() => X25519.MultiplyTableLanes(_kernel, _scalars, _mixed, _results, Lanes);
}
