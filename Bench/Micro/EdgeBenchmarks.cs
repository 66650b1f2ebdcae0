using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using FastExit.Crypto.EndToEnd;
using FastExit.MixLink;
using FastExit.NetworkRequester.Protocol;
using FastExit.Policy;
using FastExit.Sphinx;

namespace FastExit.Bench.Micro;

/// <summary>The cheap steps around the cryptography: they must stay far below it.</summary>
public class EdgeBenchmarks
{
    private const int Tags = 1024;

    private readonly byte[] _tags = RandomNumberGenerator.GetBytes(Tags * 32);
    private readonly byte[] _frame = [7, 1, 0, 0];
    private readonly byte[] _send = new byte[21 + 1000];
    private readonly byte[] _fragment = new byte[1611];
    private readonly ExitPolicy _policy = ExitPolicy.Bundled;
    private readonly NumericAddress _address = NumericAddress.From(System.Net.IPAddress.Parse("93.184.216.34"));
    private ReplayFilter? _filter;

    [GlobalSetup]
    public void Setup()
    {
        new byte[] { 3, 1, 3, 1 }.CopyTo(_send, 0);
        new FragmentHeader(1234, 3, 2).Write(_fragment);
    }

    [IterationSetup(Target = nameof(ReplayCheck))]
    public void NewFilter() => _filter = new ReplayFilter(16 * Tags);

    [IterationCleanup(Target = nameof(ReplayCheck))]
    public void DropFilter() => _filter!.Dispose();

    [Benchmark(OperationsPerInvoke = Tags)]
    public void ReplayCheck()
    {
        for (int i = 0; i < Tags; i++)
            _filter!.Check(_tags.AsSpan(i * 32, 32));
    }

    [Benchmark]
    public bool FrameHeaderRead() => FrameHeader.TryRead(_frame, out _) == FrameStatus.Ok;

    [Benchmark]
    public bool FragmentHeaderRead() => FragmentHeader.TryRead(_fragment, out _);

    [Benchmark]
    public bool RequestRead() => Request.TryRead(_send, out _) == RequestStatus.Ok;

    [Benchmark]
    public bool PolicyOneAddress() => _policy.Evaluate(_address, 443).IsAllowed;
}
