using System.Globalization;
using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Identity;
using FastExit.SelfDescription;
using FastExit.Topology;

namespace FastExit.Commands;

/// <summary>What `fastexit node describe` looks at beside the description itself.</summary>
internal static class NodeChecks
{
    private const int UsualPort = 8080;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>Whether the settings of a data directory agree with each other.</summary>
    public static IEnumerable<Finding> Local(ExitSettings settings, NodeKeys keys)
    {
        const string Http = "http interface";
        if (settings.Node.HttpListen is not { } listen)
            yield return Finding.Fail(Http, "off; the API cannot ask the node, and the network does not see it", $"set node.http_listen = \"[::]:{UsualPort}\"");
        else if (listen.Port is not (UsualPort or 80))
            yield return Finding.Warn(Http, $"{listen}: the API tries port {UsualPort} and 80, and others only where the bond names them", $"name port {listen.Port} when bonding, or let a proxy answer on port 80");
        else
            yield return Finding.Ok(Http, listen.ToString());

        var first = settings.Node.AddressesOr(settings.MixLink.Announced)[0];
        yield return first.Equals(settings.MixLink.Announced.Address)
            ? Finding.Ok("mix address", settings.MixLink.Announced.ToString())
            : Finding.Fail("mix address", $"{IpAddressText.Format(first)} is announced first, mix_link.announced is {settings.MixLink.Announced}; packets go to the one, and acknowledgements of this node's own packets to the other", "make the first of node.announced_addresses and mix_link.announced agree");
        yield return HostChecks.Clock();
        if (!File.Exists(settings.TopologyFile))
            yield break;
        uint? rotation = null;
        Finding? broken = null;
        try
        {
            rotation = NetworkTopology.Load(settings.TopologyFile).RotationId;
        }
        catch (TopologyException error)
        {
            broken = Finding.Fail("rotation", error, "correct the file");
        }

        if (broken is not null)
            yield return broken;
        else if (rotation != keys.CurrentSphinxKey.RotationId)
            yield return Finding.Warn("rotation", $"this node's key is of rotation {keys.CurrentSphinxKey.RotationId}, {settings.TopologyFile} of {rotation}; clients of that rotation seal for a key that is not there", "make the two agree");
    }

    /// <summary>Whether the announced mix port takes a connection from here.</summary>
    public static async Task<IReadOnlyList<Finding>> ReachableAsync(DescribedNode node, Uri url, CancellationToken cancellation)
    {
        var findings = new List<Finding>();
        if (url.Port is not (UsualPort or 80 or 443))
            findings.Add(Finding.Warn("http interface", $"port {url.Port}: the API tries {UsualPort}, 443 and 80, and others only where the bond names them", $"name port {url.Port} when bonding"));
        if (node.Host is not { Addresses: [var address, ..] })
            return findings;
        var port = node.Details?.MixPort ?? 1789;
        findings.Add(await ConnectsAsync(address, port, cancellation).ConfigureAwait(false) is { } problem
            ? Finding.Warn("mix port", string.Create(CultureInfo.InvariantCulture, $"{IpAddressText.Format(address)} port {port}: {problem}; if others see that too, no packet gets through"), "open the port, or try from another host")
            : Finding.Ok("mix port", string.Create(CultureInfo.InvariantCulture, $"{IpAddressText.Format(address)} port {port} takes connections")));
        if (node.Websockets is { Ws: > 0 and var websocket } && await ConnectsAsync(address, websocket, cancellation).ConfigureAwait(false) is null)
            findings.Add(Finding.Ok("websocket port", string.Create(CultureInfo.InvariantCulture, $"{websocket} takes connections")));
        return findings;
    }

    /// <summary>What being announced as an entry means for a node that serves no websockets itself.</summary>
    public static Finding Entry(DescribedNode node) => Finding.Warn(
        "entry",
        $"being a gateway makes the node an entry too, in the network's eyes, but this program serves no websockets{(node.Websockets is { } ports ? $" on port {ports.Ws}" : "")}: clients that choose it as entry fail, and so do the network monitor's tests of it as entry, which count in its routing score",
        "put an entry gateway's websocket behind that port, or live with it");

    private static async Task<string?> ConnectsAsync(System.Net.IPAddress address, int port, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_patience);
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(address, port, limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return $"no connection within {s_patience.TotalSeconds:0} s";
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode.ToString();
        }
    }
}
