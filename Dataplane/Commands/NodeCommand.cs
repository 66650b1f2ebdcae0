using System.CommandLine;
using FastExit.Configuration;
using FastExit.Identity;
using FastExit.Policy;
using FastExit.SelfDescription;

namespace FastExit.Commands;

/// <summary>
/// `fastexit node describe`: what the network sees of a node, and how its API and clients judge that. From the data directory, or with
/// `--url` from a running node as the API asks it. Ends with 1 when the node would not be used.
/// </summary>
internal static class NodeCommand
{
    public static Command Create()
    {
        var dataDirectory = CommandLine.DataDirectory(required: false);
        var url = new Option<Uri?>("--url")
        {
            Description = "Asks the node that runs there, such as http://192.0.2.1:8080, as the network's API does",
            HelpName = "URL",
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (Uri.TryCreate(text, UriKind.Absolute, out var parsed) && parsed.Scheme is "http" or "https" && parsed is { Host.Length: > 0, PathAndQuery: "/" })
                    return parsed;
                result.AddError($"--url '{TomlAssignments.Printable(text)}' is not http://HOST:PORT");
                return null;
            },
        };
        var isPrivate = new Option<bool>("--private") { Description = "Judges for a network with a directory of its own: any address will do, and nobody scores" };
        var newest = new Option<SemanticVersion?>("--newest-release")
        {
            Description = "Newest release of the network's own node, such as 1.31.0, to judge the distance of the version",
            HelpName = "VERSION",
            CustomParser = result =>
            {
                if (SemanticVersion.TryParse(result.Tokens[0].Value, out var version))
                    return version;
                result.AddError($"--newest-release '{TomlAssignments.Printable(result.Tokens[0].Value)}' is not a version, such as 1.31.0");
                return null;
            },
        };
        var json = new Option<bool>("--json") { Description = "Prints JSON" };
        var describe = new Command("describe", "Shows and judges what the network sees of a node; ends with 1 when it would not be used") { dataDirectory, url, isPrivate, newest, json };
        describe.SetAction(async (parsed, cancellation) =>
        {
            var (node, findings) = await DescribeAsync(
                parsed.GetValue(dataDirectory), parsed.GetValue(url), !parsed.GetValue(isPrivate), parsed.GetValue(newest), cancellation).ConfigureAwait(false);
            if (parsed.GetValue(json))
                NodeReport.PrintJson(node, findings);
            else
                NodeReport.Print(node, findings);
            return NodeReport.IsUsable(findings) ? CommandLine.Done : CommandLine.Failed;
        });
        return new Command("node", "This node in the network's eyes") { describe };
    }

    private static async Task<(DescribedNode Node, List<Finding> Findings)> DescribeAsync(
        string? dataDirectory, Uri? url, bool isPublic, SemanticVersion? newest, CancellationToken cancellation)
    {
        if (dataDirectory is null && url is null)
            throw new ConfigurationException("node describe: give --data-dir DIR, --url http://HOST:PORT, or both to see that they are the same node");
        NodeAnswers? answers = null;
        byte[]? identity = null;
        var findings = new List<Finding>();
        if (dataDirectory is not null)
        {
            var settings = ConfigurationFile.Load(dataDirectory, []);
            using var keys = NodeKeys.Load(dataDirectory);
            identity = keys.Identity.ToArray();
            findings.AddRange(NodeChecks.Local(settings, keys));
            if (url is null)
            {
                var policy = Policy(settings);
                var announced = AnnouncedSphinxKeys.From(keys);
                using var documents = new NodeDocuments(settings, keys, () => announced, () => policy, () => []);
                answers = NodeAnswers.From(documents);
            }
        }

        answers ??= await NodeAnswers.FetchAsync(url!, cancellation).ConfigureAwait(false);
        var node = new DescribedNode(answers);
        var rules = new NodeRules(node, isPublic) { Identity = identity, Newest = newest, Now = url is null ? null : DateTimeOffset.UtcNow };
        findings.InsertRange(0, rules.Judge());
        if (url is not null)
            findings.AddRange(await NodeChecks.ReachableAsync(node, url, cancellation).ConfigureAwait(false));
        findings.Add(NodeChecks.Entry(node));
        return (node, findings);
    }

    // What `run` begins with; nothing is fetched.
    private static PolicySnapshot Policy(ExitSettings settings) => PolicySource.Open(new PolicySourceOptions
    {
        FilePath = settings.Policy.File,
        Url = settings.Policy.Url,
        CachePath = settings.Policy.Url is null ? null : Path.Combine(settings.DataDirectory, "policy-cache.txt"),
    }).Snapshot;
}
