using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Identity;
using FastExit.Topology;

namespace FastExit.Commands;

/// <summary>The one place where the command line meets the data plane.</summary>
internal static class ExitServices
{
    public static IExitService Start(ExitSettings settings, NodeKeys keys, NetworkTopology topology, Action<string> log) =>
        ExitRuntime.Start(settings, keys, topology, log);
}
