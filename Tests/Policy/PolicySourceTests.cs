using System.Diagnostics;
using System.Globalization;
using System.Text;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

public sealed class PolicySourceTests : IDisposable
{
    private const string First = "accept *:80\nreject *:*\n";
    private const string Second = "accept *:80\naccept *:443\nreject *:*\n";

    private readonly LoopbackWebServer _server = new();
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-policy-").FullName;

    private string CachePath => Path.Combine(_directory, "cache", "exit-policy.txt");

    public void Dispose()
    {
        _server.DisposeAsync().AsTask().Wait();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task WithoutSettingsTheBundledPolicyHolds()
    {
        await using var source = PolicySource.Start(new PolicySourceOptions());
        Assert.Same(ExitPolicy.Bundled, source.Current);
        Assert.Equal(PolicyOrigin.Bundled, source.Snapshot.Origin);
        Assert.Null(source.LastError);
    }

    [Fact]
    public async Task AnOperatorsFileReplacesTheBundledPolicyAndIsReadAgain()
    {
        var path = Path.Combine(_directory, "policy.txt");
        File.WriteAllText(path, First);
        await using var source = PolicySource.Open(new PolicySourceOptions { FilePath = path });
        var changes = Listen(source);
        Assert.Equal((First, PolicyOrigin.File), (source.Current.ToCanonicalText(), source.Snapshot.Origin));

        File.WriteAllText(path, "accept oops");
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(5));
        Assert.False(await source.RefreshAsync());
        Assert.Contains("line 1", source.LastError!.Message, StringComparison.Ordinal);
        Assert.Equal(First, source.Current.ToCanonicalText());

        File.WriteAllText(path, Second);
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(10));
        Assert.True(await source.RefreshAsync());
        Assert.Null(source.LastError);
        Assert.Equal(Second, source.Current.ToCanonicalText());
        Assert.Equal(Second, Assert.Single(changes).Policy.ToCanonicalText());
    }

    [Fact]
    public void ABrokenOperatorsFileStopsTheStart()
    {
        var path = Path.Combine(_directory, "policy.txt");
        File.WriteAllText(path, "accept *:80\naccept *:99999\n");
        var error = Assert.Throws<PolicyFormatException>(() => PolicySource.Start(new PolicySourceOptions { FilePath = path }));
        Assert.Equal((path, 2), (error.Source, error.Line));
    }

    [Fact]
    public async Task AFetchedPolicyIsAdoptedAnnouncedAndKept()
    {
        _server.AnswerWith(200, "ETag: \"one\"\r\n", First);
        await using var source = PolicySource.Open(Options());
        var changes = Listen(source);
        Assert.True(await source.RefreshAsync());
        Assert.Equal((First, PolicyOrigin.Fetched), (source.Current.ToCanonicalText(), source.Snapshot.Origin));
        Assert.Single(changes);
        Assert.Equal(First, ExitPolicy.Load(CachePath).ToCanonicalText());

        // A restart while the server is away starts from the kept copy, and asks with its tag once the server is back.
        _server.AnswerWith(503, "", "");
        await using var restarted = PolicySource.Open(Options());
        Assert.Equal((First, PolicyOrigin.Cache), (restarted.Current.ToCanonicalText(), restarted.Snapshot.Origin));
        Assert.False(await restarted.RefreshAsync());
        Assert.Contains("503", restarted.LastError!.Message, StringComparison.Ordinal);
        Assert.Equal(First, restarted.Current.ToCanonicalText());

        _server.AnswerWith(304, "ETag: \"one\"\r\n", "");
        Assert.True(await restarted.RefreshAsync());
        Assert.Null(restarted.LastError);
        Assert.Equal(PolicyOrigin.Fetched, restarted.Snapshot.Origin);
        Assert.Contains("If-None-Match: \"one\"", _server.Requests[^1], StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task AnUnchangedTagKeepsThePolicyAndAChangedOneReplacesIt()
    {
        var served = 0;
        var (body, tag) = (First, "W/\"v1\"");
        _server.Answer = (head, stream, stop) =>
        {
            if (head.Contains($"If-None-Match: {tag}\r\n", StringComparison.OrdinalIgnoreCase))
                return LoopbackWebServer.SendAsync(stream, 304, "", "", stop);
            served++;
            return LoopbackWebServer.SendAsync(stream, 200, $"ETag: {tag}\r\n", body, stop);
        };
        await using var source = PolicySource.Open(Options());
        var changes = Listen(source);
        Assert.True(await source.RefreshAsync());
        Assert.True(await source.RefreshAsync());
        Assert.Equal((1, 2), (served, _server.Requests.Count));
        (body, tag) = (Second, "W/\"v2\"");
        Assert.True(await source.RefreshAsync());
        Assert.Equal(2, served);
        Assert.Equal([First, Second], changes.Select(change => change.Policy.ToCanonicalText()));
    }

    [Theory]
    [InlineData(404, First, "404")]
    [InlineData(500, First, "500")]
    [InlineData(204, "", "204")]
    [InlineData(304, "", "304")]
    [InlineData(200, "<!doctype html><p>Not here</p>", "line 1")]
    [InlineData(200, "", "reject *:*")]
    [InlineData(200, "# only a comment\n", "reject *:*")]
    [InlineData(200, "accept *:80\n", "reject *:*")]
    [InlineData(200, "accept *:80\nreject *:* \naccept *:8", "reject *:*")]
    public async Task AWrongAnswerKeepsTheLastGoodPolicy(int status, string body, string named)
    {
        _server.AnswerWith(200, "", First);
        await using var source = PolicySource.Open(Options());
        Assert.True(await source.RefreshAsync());
        var changes = Listen(source);

        _server.AnswerWith(status, "", body);
        Assert.False(await source.RefreshAsync());
        Assert.Contains(named, source.LastError!.Message, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1", source.LastError.Message, StringComparison.Ordinal);
        Assert.Equal(First, source.Current.ToCanonicalText());
        Assert.Equal(First, ExitPolicy.Load(CachePath).ToCanonicalText());
        Assert.Empty(changes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ABodyBeyondTheLimitIsRefused(bool announced)
    {
        var line = "# " + new string('x', 1021) + "\n";
        var atLimit = string.Concat(Enumerable.Repeat(line, 1023)) + new string('#', 1012) + "\nreject *:*\n";
        Assert.Equal(ExitPolicy.MaximumBytes, atLimit.Length);
        _server.AnswerWith(200, "", atLimit);
        await using var source = PolicySource.Open(Options());
        Assert.True(await source.RefreshAsync());

        var beyond = Encoding.ASCII.GetBytes(atLimit + "#");
        _server.Answer = async (_, stream, stop) =>
        {
            var length = announced ? string.Create(CultureInfo.InvariantCulture, $"Content-Length: {beyond.Length}\r\n") : "";
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n"), stop);
            await stream.WriteAsync(beyond, stop);
        };
        Assert.False(await source.RefreshAsync());
        Assert.Contains("too large", source.LastError!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ASlowServerCostsOnlyTheTimeLimit(bool sendsHead)
    {
        _server.Answer = async (_, stream, stop) =>
        {
            if (sendsHead) await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\naccept *:80\n"u8.ToArray(), stop);
            await Task.Delay(Timeout.Infinite, stop);
        };
        var clock = Stopwatch.StartNew();
        await using var source = PolicySource.Start(Options() with { FetchTimeout = TimeSpan.FromMilliseconds(400) });
        Assert.Same(ExitPolicy.Bundled, source.Current);
        Assert.True(clock.ElapsedMilliseconds < 300, $"start took {clock.ElapsedMilliseconds} ms");
        await Until(() => source.LastError is not null);
        Assert.Contains("within 0.4 s", source.LastError!.Message, StringComparison.Ordinal);
        Assert.Same(ExitPolicy.Bundled, source.Current);
    }

    [Fact]
    public async Task TheLoopRetriesAfterFailureAndRefreshesAfterSuccess()
    {
        var answers = 0;
        _server.Answer = (_, stream, stop) => Interlocked.Increment(ref answers) switch
        {
            1 => LoopbackWebServer.SendAsync(stream, 502, "", "", stop),
            2 => LoopbackWebServer.SendAsync(stream, 200, "", First, stop),
            _ => LoopbackWebServer.SendAsync(stream, 200, "", Second, stop),
        };
        await using var source = PolicySource.Start(Options() with
        {
            RetryInterval = TimeSpan.FromMilliseconds(50),
            RefreshInterval = TimeSpan.FromMilliseconds(100),
        });
        await Until(() => source.Current.Rules.Length == 3);
        Assert.True(answers >= 3);
        Assert.Null(source.LastError);
    }

    [Fact]
    public async Task AnUnreachableServerIsAnErrorThatNamesTheAddress()
    {
        await using var source = PolicySource.Open(Options() with { Url = new Uri("http://127.0.0.1:1/policy.txt") });
        Assert.False(await source.RefreshAsync());
        Assert.Contains("http://127.0.0.1:1/policy.txt", source.LastError!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("# fastexit fetched policy 1\n# url: {0}\n# etag: \"x\"\naccept *:80\n")]
    [InlineData("# fastexit fetched policy 1\n# url: {0}\n# etag: \"x\"\naccept *:99999\nreject *:*\n")]
    public async Task AnUnusableCachedCopyIsNotedAndReplaced(string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(CachePath)!);
        File.WriteAllText(CachePath, string.Format(CultureInfo.InvariantCulture, content, _server.Url));
        _server.AnswerWith(200, "", First);
        await using var source = PolicySource.Open(Options());
        Assert.Same(ExitPolicy.Bundled, source.Current);
        Assert.NotNull(source.LastError);
        Assert.True(await source.RefreshAsync());
        Assert.DoesNotContain("If-None-Match", _server.Requests[^1], StringComparison.OrdinalIgnoreCase);
        Assert.Equal(First, ExitPolicy.Load(CachePath).ToCanonicalText());
    }

    [Fact]
    public async Task ACopyOfAnotherAddressIsNotUsed()
    {
        _server.AnswerWith(200, "ETag: \"one\"\r\n", First);
        await using (var source = PolicySource.Open(Options())) Assert.True(await source.RefreshAsync());
        await using var other = PolicySource.Open(Options() with { Url = new Uri(_server.Url, "/other.txt") });
        Assert.Same(ExitPolicy.Bundled, other.Current);
        Assert.Null(other.LastError);
    }

    [Fact]
    public async Task APolicyThatCannotBeKeptStillHolds()
    {
        File.WriteAllText(Path.Combine(_directory, "cache"), "a file where the cache's folder should be");
        _server.AnswerWith(200, "ETag: \"one\"\r\n", First);
        await using var source = PolicySource.Open(Options());
        Assert.False(await source.RefreshAsync());
        Assert.Contains("cannot be kept", source.LastError!.Message, StringComparison.Ordinal);
        Assert.Equal(First, source.Current.ToCanonicalText());

        File.Delete(Path.Combine(_directory, "cache"));
        Assert.True(await source.RefreshAsync());
        Assert.Equal(First, ExitPolicy.Load(CachePath).ToCanonicalText());
    }

    [Fact]
    public async Task ATagIsOnlySentForThePolicyInForce()
    {
        var (body, tag) = (First, "\"one\"");
        _server.Answer = (head, stream, stop) => head.Contains($"If-None-Match: {tag}\r\n", StringComparison.OrdinalIgnoreCase)
            ? LoopbackWebServer.SendAsync(stream, 304, "", "", stop)
            : LoopbackWebServer.SendAsync(stream, 200, $"ETag: {tag}\r\n", body, stop);
        await using var source = PolicySource.Open(Options());
        Assert.True(await source.RefreshAsync());

        Directory.Delete(Path.GetDirectoryName(CachePath)!, recursive: true);
        File.WriteAllText(Path.Combine(_directory, "cache"), "in the way");
        (body, tag) = (Second, "\"two\"");
        Assert.False(await source.RefreshAsync());
        Assert.Equal(Second, source.Current.ToCanonicalText());

        (body, tag) = (First, "\"one\"");
        Assert.False(await source.RefreshAsync());
        Assert.Equal(First, source.Current.ToCanonicalText());
    }

    [Fact]
    public async Task AReaderOfTheCacheSeesOnlyWholePolicies()
    {
        var large = string.Concat(Enumerable.Range(1, 20_000).Select(port => $"accept *:{port}\n")) + "reject *:*\n";
        var cache = new PolicyCacheFile(CachePath);
        cache.Write(_server.Url, "\"a\"", First);
        using var stop = new CancellationTokenSource();
        var seen = new HashSet<int>();
        var reading = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Assert.True(cache.TryRead(_server.Url, out var policy, out _));
                seen.Add(policy!.Rules.Length);
            }
        });
        for (var i = 0; i < 40; i++) cache.Write(_server.Url, null, i % 2 == 0 ? large : First);
        await stop.CancelAsync();
        await reading;
        Assert.Subset(new HashSet<int> { 2, 20_001 }, seen);
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(CachePath)!));
    }

    [Fact]
    public async Task AFailingListenerDoesNotStopTheRefresh()
    {
        _server.AnswerWith(200, "", First);
        await using var source = PolicySource.Open(Options());
        source.Changed += _ => throw new InvalidOperationException("listener");
        Assert.False(await source.RefreshAsync());
        Assert.Contains("listener", source.LastError!.Message, StringComparison.Ordinal);
        Assert.Equal(First, source.Current.ToCanonicalText());
        Assert.True(await source.RefreshAsync());
    }

    private PolicySourceOptions Options() => new()
    {
        Url = _server.Url,
        CachePath = CachePath,
        FetchTimeout = TimeSpan.FromSeconds(5),
    };

    private static List<PolicySnapshot> Listen(PolicySource source)
    {
        var changes = new List<PolicySnapshot>();
        source.Changed += changes.Add;
        return changes;
    }

    private static async Task Until(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(10), "nothing happened within 10 s");
            await Task.Delay(10);
        }
    }
}
