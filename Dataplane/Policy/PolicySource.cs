using System.Globalization;
using System.Net;

namespace FastExit.Policy;

/// <summary>
/// Holds the policy in force and keeps it current. Starting reads only local files (bundled policy, operator's file, cached
/// copy) and never waits for the network; a background loop fetches and refreshes. A bad or missing answer changes nothing
/// but <see cref="LastError"/>: the last good policy stays, over restarts too. <see cref="Current"/> is read without a lock.
/// </summary>
public sealed class PolicySource : IAsyncDisposable
{
    private readonly PolicySourceOptions _options;
    private readonly PolicyCacheFile? _cache;
    private readonly HttpClient? _client;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _refreshing = new(1, 1);
    private PolicySnapshot _snapshot;
    private PolicySourceError? _lastError;
    private DateTime _fileStamp;
    private string? _entityTag;
    private Task _loop = Task.CompletedTask;

    private PolicySource(PolicySourceOptions options, TimeProvider time)
    {
        if (options.Url is { } url && (!url.IsAbsoluteUri || url.Scheme is not ("http" or "https")))
            throw new ArgumentException($"The policy address '{url}' must be an absolute http or https address.", nameof(options));

        _options = options;
        _time = time;
        _snapshot = new PolicySnapshot(ExitPolicy.Bundled, PolicyOrigin.Bundled, time.GetUtcNow());
        if (options.FilePath is { } path)
        {
            _fileStamp = File.GetLastWriteTimeUtc(path);
            _snapshot = new PolicySnapshot(ExitPolicy.Load(path), PolicyOrigin.File, time.GetUtcNow());
        }

        if (options.Url is null) return;
        // No decompression: the size limit counts what arrives.
        _client = new HttpClient(new SocketsHttpHandler
        {
            AutomaticDecompression = DecompressionMethods.None,
            MaxAutomaticRedirections = 5,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            UseCookies = false,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (options.CachePath is null) return;
        _cache = new PolicyCacheFile(options.CachePath);
        ReadCache(options.Url);
    }

    /// <summary>Raised after the rules in force changed, on the thread that changed them; not for a policy with equal rules.</summary>
    public event Action<PolicySnapshot>? Changed;

    /// <summary>The policy in force.</summary>
    public ExitPolicy Current => Snapshot.Policy;

    /// <summary>The policy in force with its origin and age.</summary>
    public PolicySnapshot Snapshot => Volatile.Read(ref _snapshot);

    /// <summary>The latest failure; null when the latest refresh succeeded.</summary>
    public PolicySourceError? LastError => Volatile.Read(ref _lastError);

    /// <summary>
    /// Loads the local sources and starts the refresh loop. Throws <see cref="PolicyFormatException"/> for the operator's
    /// file; an unusable cached copy is only noted in <see cref="LastError"/>.
    /// </summary>
    public static PolicySource Start(PolicySourceOptions options, TimeProvider? time = null)
    {
        var source = Open(options, time);
        if (options.Url is not null || options.FilePath is not null) source._loop = Task.Run(source.RunAsync);
        return source;
    }

    /// <summary>As <see cref="Start"/>, without the loop: <see cref="RefreshAsync"/> is called by hand.</summary>
    public static PolicySource Open(PolicySourceOptions options, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new PolicySource(options, time ?? TimeProvider.System);
    }

    /// <summary>
    /// Reads the file again if it changed and no fetched policy stands above it, then fetches. True when every configured
    /// source answered well; failures are in <see cref="LastError"/> and never thrown.
    /// </summary>
    public async Task<bool> RefreshAsync(CancellationToken cancellation = default)
    {
        await _refreshing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            var failure = RereadFile();
            failure = await FetchAsync(cancellation).ConfigureAwait(false) ?? failure;
            Volatile.Write(ref _lastError, failure is null ? null : new PolicySourceError(_time.GetUtcNow(), failure));
            return failure is null;
        }
        finally
        {
            _refreshing.Release();
        }
    }

    /// <summary>Stops the loop; the policy stays readable.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _client?.Dispose();
    }

    private async Task RunAsync()
    {
        var pause = _options.RetryInterval;
        try
        {
            while (true)
            {
                var refreshed = await RefreshAsync(_stop.Token).ConfigureAwait(false);
                if (refreshed) pause = _options.RetryInterval;
                await Task.Delay(refreshed ? _options.RefreshInterval : pause, _time, _stop.Token).ConfigureAwait(false);
                if (!refreshed) pause = pause * 2 < _options.RefreshInterval ? pause * 2 : _options.RefreshInterval;
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    private string? RereadFile()
    {
        if (_options.FilePath is not { } path || Snapshot.Origin is PolicyOrigin.Fetched or PolicyOrigin.Cache) return null;
        try
        {
            var stamp = File.GetLastWriteTimeUtc(path);
            if (stamp == _fileStamp) return null;
            var policy = ExitPolicy.Load(path);
            _fileStamp = stamp;
            return Adopt(policy, PolicyOrigin.File);
        }
        catch (Exception error) when (error is PolicyFormatException or IOException or UnauthorizedAccessException)
        {
            return error.Message;
        }
    }

    private async Task<string?> FetchAsync(CancellationToken cancellation)
    {
        if (_options.Url is not { } url || _client is null) return null;
        FetchedPolicy fetched;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_options.FetchTimeout);
        try
        {
            fetched = await FetchedPolicy.GetAsync(_client, url, _entityTag, _options.MaximumBytes, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{url}: no complete answer within {_options.FetchTimeout.TotalSeconds:0.#} s");
        }
        catch (PolicyFormatException error)
        {
            return error.Message;
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return $"{url}: {error.Message}";
        }

        if (fetched.Policy is null)
        {
            Volatile.Write(ref _snapshot, new PolicySnapshot(Current, PolicyOrigin.Fetched, _time.GetUtcNow()));
            return null;
        }

        // Without the tag a copy that could not be kept is fetched whole, and kept, next time.
        _entityTag = null;
        var unkept = Keep(url, fetched);
        if (unkept is null) _entityTag = fetched.EntityTag;
        return Adopt(fetched.Policy, PolicyOrigin.Fetched) ?? unkept;
    }

    private string? Keep(Uri url, FetchedPolicy fetched)
    {
        try
        {
            _cache?.Write(url, fetched.EntityTag, fetched.Body);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"The fetched policy is in force but cannot be kept: {error.Message}";
        }
    }

    private string? Adopt(ExitPolicy policy, PolicyOrigin origin)
    {
        var snapshot = new PolicySnapshot(policy, origin, _time.GetUtcNow());
        var before = Current;
        Volatile.Write(ref _snapshot, snapshot);
        if (before.ToCanonicalText() == policy.ToCanonicalText()) return null;
        try
        {
            Changed?.Invoke(snapshot);
            return null;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // A listener's fault must not end the refresh loop, which nobody awaits.
            return $"A listener failed to take over the new policy: {error.Message}";
        }
    }

    private void ReadCache(Uri url)
    {
        try
        {
            if (!_cache!.TryRead(url, out var policy, out var tag)) return;
            _snapshot = new PolicySnapshot(policy!, PolicyOrigin.Cache, _time.GetUtcNow());
            _entityTag = tag;
        }
        catch (Exception failure) when (failure is PolicyFormatException or IOException or UnauthorizedAccessException)
        {
            _lastError = new PolicySourceError(_time.GetUtcNow(), failure.Message);
        }
    }
}
