using System.Net;
using System.Text;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Identity;
using FastExit.Policy;
using FastExit.SelfDescription;

namespace FastExit.Tests.SelfDescription;

/// <summary>A node that says of itself what the network wants to hear, with keys of its own.</summary>
internal sealed class NodeFixture : IDisposable
{
    public static readonly PolicySnapshot NetworkPolicy = new(
        ExitPolicy.Parse("reject 5.188.10.0/23:*\naccept *:443\nreject *:*\n", "test"), PolicyOrigin.Fetched, DateTimeOffset.FromUnixTimeSeconds(1778900000));

    public NodeFixture(Func<ExitSettings, ExitSettings>? change = null)
    {
        var settings = ConfigurationFile.Defaults("/data", new IPEndPoint(IPAddress.Parse("1.1.1.1"), 1789));
        settings = settings with
        {
            Ipr = new IpPacketRouterSettings { Enabled = true },
            Policy = new PolicySettings { Url = new Uri(PolicySourceOptions.NetworkPolicyUrl) },
            Node = new NodeSettings
            {
                AnnouncedAddresses = ["1.1.1.1", "2606:4700:4700::1111"],
                Hostname = "exit.example.org",
                Location = "CH",
                BinaryName = "nym-node",
                BuildVersion = "1.31.0",
                AcceptOperatorTerms = true,
                Moniker = "Zürich \"1\" \\ <exit>",
            },
        };
        Settings = change?.Invoke(settings) ?? settings;
        Announced = AnnouncedSphinxKeys.From(Keys);
        Documents = new NodeDocuments(Settings, Keys, () => Announced, () => Policy, () => Counters);
    }

    public ExitSettings Settings { get; }

    public NodeKeys Keys { get; } = NodeKeys.Generate(1234);

    public AnnouncedSphinxKeys Announced { get; set; }

    public PolicySnapshot Policy { get; set; } = NetworkPolicy;

    public CoreCounters[] Counters { get; } = [new(0), new(1)];

    public NodeDocuments Documents { get; }

    /// <summary>What the node answers, but for these paths.</summary>
    public NodeAnswers Answers(params (string Path, int Status, string Body)[] others)
    {
        var whole = NodeAnswers.From(Documents);
        return NodeAnswers.From(NodeAnswers.Paths.ToDictionary(path => path, path => whole[path]).Select(pair =>
            others.FirstOrDefault(other => other.Path == pair.Key) is { Path: not null } other
                ? (pair.Key, new NodeAnswer(other.Status, Encoding.UTF8.GetBytes(other.Body), TimeSpan.Zero))
                : (pair.Key, pair.Value)));
    }

    public void Dispose()
    {
        Documents.Dispose();
        Keys.Dispose();
    }
}
