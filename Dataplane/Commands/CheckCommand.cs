using System.CommandLine;
using FastExit.Configuration;
using FastExit.Identity;
using FastExit.NetworkDirectory;
using FastExit.Policy;
using FastExit.Topology;

namespace FastExit.Commands;

/// <summary>`fastexit check`: host and data directory, before the first packet. Ends with 1 when something keeps the exit from serving.</summary>
internal static class CheckCommand
{
    public static Command Create()
    {
        var dataDirectory = CommandLine.DataDirectory(required: false);
        var router = new Option<bool>("--ipr") { Description = "Checks what the IP packet router needs too, even where it is not enabled" };
        var command = new Command("check", "Checks this host and, with --data-dir, the node's files") { dataDirectory, router };
        command.SetAction(async (parsed, _) =>
        {
            var findings = await FindingsAsync(parsed.GetValue(dataDirectory), parsed.GetValue(router)).ConfigureAwait(false);
            FindingReport.Print(findings);
            return findings.Any(finding => finding.Level == FindingLevel.Fail) ? CommandLine.Failed : CommandLine.Done;
        });
        return command;
    }

    private static async Task<List<Finding>> FindingsAsync(string? dataDirectory, bool router)
    {
        var findings = new List<Finding> { HostChecks.Kernel(), HostChecks.Cpu() };
        ExitSettings? settings = null;
        if (dataDirectory is not null)
        {
            try
            {
                settings = ConfigurationFile.Load(dataDirectory, []);
                findings.Add(Finding.Ok("configuration", ConfigurationFile.PathIn(dataDirectory)));
            }
            catch (ConfigurationException error)
            {
                findings.Add(Finding.Fail("configuration", error, "correct that line"));
            }
        }

        findings.AddRange(HostChecks.IoUring(settings?.NetworkRequester ?? new NetworkRequesterSettings(), settings?.MixLink.MaximumConnections ?? 4096));
        findings.Add(HostChecks.LockedMemory());
        findings.AddRange(HostChecks.Memory(settings?.Memory ?? new MemorySettings(), settings?.Cores.Cores.Count ?? 1));
        findings.Add(HostChecks.Cores(settings?.Cores ?? new CoreSettings()));
        findings.Add(await HostChecks.NameServersAsync(settings?.Dns ?? new DnsSettings()).ConfigureAwait(false));
        findings.Add(HostChecks.Clock());
        var tunnel = settings?.Ipr ?? new IpPacketRouterSettings();
        if (router || tunnel.Enabled)
            findings.AddRange(TunnelChecks.All(tunnel));
        if (settings is not null)
        {
            findings.AddRange(HostChecks.Ports(settings));
            if (settings.Directory.Urls.Count > 0)
                findings.Add(await DirectoryAsync(settings.Directory).ConfigureAwait(false));
            findings.AddRange(Files(settings));
        }

        return findings;
    }

    private static IEnumerable<Finding> Files(ExitSettings settings)
    {
        NodeKeys? keys = null;
        NetworkTopology? topology = null;
        yield return Attempt("keys", "restore the keys from a backup", () =>
        {
            keys = NodeKeys.Load(settings.DataDirectory);
            return $"complete; Sphinx key of rotation {keys.CurrentSphinxKey.RotationId}";
        });
        if (settings.Directory.Urls.Count == 0)
            yield return Attempt("topology", "correct the file", () =>
        {
            topology = NetworkTopology.Load(settings.TopologyFile);
            return $"{topology.Nodes.Count} nodes, rotation {topology.RotationId}";
        });
        if (keys is not null && topology is not null)
            yield return OwnEntry(settings, keys, topology);
        keys?.Dispose();
        yield return Attempt("policy", "correct that line", () =>
        {
            var policy = settings.Policy.File is { } file ? ExitPolicy.Load(file) : ExitPolicy.Bundled;
            return $"{policy.Rules.Length} rules from {policy.Source}";
        });
        if (settings.Policy.OpenProxy)
            yield return Finding.Warn("policy", "open_proxy is on: every public address and port is allowed", "set policy.open_proxy = false");
        if (settings.Policy.AllowedLocalPrefixes.Count > 0)
            yield return Finding.Warn("policy", $"clients reach {string.Join(", ", settings.Policy.AllowedLocalPrefixes)} inside this network", "set policy.allowed_local_prefixes = [] outside laboratories");
    }

    private static async Task<Finding> DirectoryAsync(DirectorySettings settings)
    {
        const string Subject = "directory";
        try
        {
            using var client = new DirectoryClient(settings);
            var (topology, skipped) = await client.FetchAsync(CancellationToken.None).ConfigureAwait(false);
            return Finding.Ok(Subject, $"{topology.Nodes.Count} nodes, rotation {topology.RotationId}; {skipped} unusable entries");
        }
        catch (DirectoryException error)
        {
            return Finding.Fail(Subject, error, "check directory.urls and this host's network");
        }
    }

    private static Finding OwnEntry(ExitSettings settings, NodeKeys keys, NetworkTopology topology)
    {
        const string Subject = "own entry";
        var file = settings.TopologyFile;
        for (var layer = 1; layer <= NetworkTopology.Layers; layer++)
        {
            if (topology.Layer(layer).Length == 0)
                return Finding.Fail(Subject, $"{file} has no node of layer {layer}", "add nodes of all three mix layers");
        }

        var key = keys.SphinxKeys.FirstOrDefault(candidate => candidate.RotationId == topology.RotationId);
        if (key is null)
            return Finding.Fail(Subject, $"{file} is of rotation {topology.RotationId}, this node's key of {keys.CurrentSphinxKey.RotationId}", "use the topology of that rotation");
        if (!topology.TryGetGateway(keys.Identity, out var node))
            return Finding.Warn(Subject, $"{file} does not list this node as entry or exit", "add what `fastexit address --json` prints, or clients will not find it");
        if (!key.PublicKey.SequenceEqual(node.SphinxKey))
            return Finding.Fail(Subject, $"{file} has another Sphinx key for this node", "copy sphinx_key from `fastexit address --json`");
        return node.MixAddress.Equals(NetworkTopology.Normalize(settings.MixLink.Announced))
            ? Finding.Ok(Subject, $"{node.MixAddress}, as announced")
            : Finding.Fail(Subject, $"{file} has {node.MixAddress}, announced is {settings.MixLink.Announced}", "make mix_link.announced and the topology agree");
    }

    private static Finding Attempt(string subject, string mend, Func<string> attempt)
    {
        try
        {
            return Finding.Ok(subject, attempt());
        }
        catch (Exception error) when (error is KeyFileException or TopologyException or PolicyFormatException or IOException or UnauthorizedAccessException)
        {
            return Finding.Fail(subject, error, mend);
        }
    }
}
