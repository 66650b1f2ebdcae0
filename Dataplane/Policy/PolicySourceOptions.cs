namespace FastExit.Policy;

/// <summary>Where the exit policy comes from. Later sources win over earlier ones: bundled, file, cached copy, address.</summary>
public sealed record PolicySourceOptions
{
    /// <summary>The network's policy address; nodes that report exactly this one count as using the network's policy.</summary>
    public const string NetworkPolicyUrl = "https://nymtech.net/.wellknown/network-requester/exit-policy.txt";

    /// <summary>Operator's policy file; a file that cannot be read stops the start. Each refresh reads it again if it changed.</summary>
    public string? FilePath { get; init; }

    /// <summary>Address to fetch from, http or https; null never fetches.</summary>
    public Uri? Url { get; init; }

    /// <summary>Where the last good fetched policy is kept; null keeps none.</summary>
    public string? CachePath { get; init; }

    /// <summary>Time between successful refreshes.</summary>
    public TimeSpan RefreshInterval { get; init; } = TimeSpan.FromHours(6);

    /// <summary>First pause after a failed fetch; doubles up to <see cref="RefreshInterval"/>.</summary>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Time for one whole fetch, body included.</summary>
    public TimeSpan FetchTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Largest accepted body.</summary>
    public int MaximumBytes { get; init; } = ExitPolicy.MaximumBytes;
}

/// <summary>Which source a policy came from.</summary>
public enum PolicyOrigin : byte
{
    /// <summary>Compiled in.</summary>
    Bundled,

    /// <summary>The operator's file.</summary>
    File,

    /// <summary>The copy kept from an earlier run.</summary>
    Cache,

    /// <summary>Fetched by this process.</summary>
    Fetched,
}

/// <summary>A policy in force, and where and when it was taken from.</summary>
public sealed record PolicySnapshot(ExitPolicy Policy, PolicyOrigin Origin, DateTimeOffset LoadedAt);

/// <summary>The latest failure to get or keep a policy; the policy in force stays.</summary>
public sealed record PolicySourceError(DateTimeOffset At, string Message);
