using System.Net;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Identity;
using FastExit.Policy;
using FastExit.Sphinx;
using FastExit.Topology;

namespace FastExit.Commands;

/// <summary>A running exit as the `run` command sees it.</summary>
internal interface IExitService : IAsyncDisposable
{
    IReadOnlyList<CoreCounters> Counters { get; }

    IReadOnlyList<IPEndPoint> Listening { get; }

    /// <summary>How full each key's replay filter is.</summary>
    IReadOnlyList<ReplayFilterFill> ReplayFilters => [];

    /// <summary>The exit policy and where it came from; null where there is none.</summary>
    PolicySnapshot? PolicyInForce => null;

    /// <summary>The Sphinx keys that the node announces now; null where there are none.</summary>
    AnnouncedSphinxKeys? Keys => null;

    /// <summary>Faults when a core dies.</summary>
    Task Completion { get; }

    /// <summary>Ends every connection in good order, at most for <paramref name="limit"/>.</summary>
    Task DrainAsync(TimeSpan limit);

    /// <summary>Reads the policy again; the last good one stays in force. Null, or what is wrong with the new one.</summary>
    Task<string?> ReloadPolicyAsync();

    /// <summary>Serves with these Sphinx keys from now on (a rotation); replay filters of keys that stay are kept.</summary>
    Task UseKeysAsync(NodeKeys keys);

    /// <summary>Serves with these nodes from now on; connections to nodes that stay are kept.</summary>
    Task UseTopologyAsync(NetworkTopology topology);
}

/// <summary>Starts a service; fails for reasons that the operator can mend.</summary>
internal delegate IExitService ExitServiceStart(ExitSettings settings, NodeKeys keys, NetworkTopology topology, Action<string> log);
