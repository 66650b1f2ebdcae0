using System.Collections.Frozen;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using FastExit.Crypto.EndToEnd;
using FastExit.Policy;

namespace FastExit.SelfDescription;

/// <summary>A service as its section names it.</summary>
internal sealed record DescribedService(byte[] Identity, byte[] Encryption, Recipient? Address);

/// <summary>The exit policy's section.</summary>
internal sealed record DescribedPolicy(bool Enabled, string Source, DateTimeOffset LastUpdated, ExitPolicy? Policy)
{
    /// <summary>What the network's API makes of it.</summary>
    public bool IsTheNetworks => Enabled && Source == PolicySourceOptions.NetworkPolicyUrl;
}

/// <summary>
/// What the network's API reads out of a node's answers. A section is null when it did not answer with 200 or cannot be read; then
/// <see cref="Faults"/> says why, by path. 501 is no fault.
/// </summary>
internal sealed class DescribedNode
{
    private const int NotImplemented = 501;

    private static readonly FrozenDictionary<string, Func<JsonElement, object>> s_readers = new Dictionary<string, Func<JsonElement, object>>
    {
        ["/health"] = root => JsonMember.Text(root, "status"),
        ["/host-information"] = ReadHost,
        ["/roles"] = root => new RoleFlags(
            JsonMember.Flag(root, "mixnode_enabled"),
            JsonMember.Flag(root, "gateway_enabled"),
            JsonMember.Flag(root, "network_requester_enabled"),
            JsonMember.Flag(root, "ip_packet_router_enabled")),
        ["/build-information"] = ReadBuild,
        ["/gateway/client-interfaces/mixnet-websockets"] = root => new Ports(
            (ushort)JsonMember.Number(root, "ws_port", ushort.MaxValue), (ushort?)JsonMember.OptionalNumber(root, "wss_port", ushort.MaxValue)),
        ["/auxiliary-details"] = root => new Auxiliary(
            JsonMember.OptionalText(root, "location"),
            JsonMember.OptionalObject(root, "announce_ports") is { } ports ? (ushort?)JsonMember.OptionalNumber(ports, "mix_port", ushort.MaxValue) : null,
            JsonMember.Flag(root, "accepted_operator_terms_and_conditions")),
        ["/network-requester"] = ReadService,
        ["/network-requester/exit-policy"] = ReadPolicy,
        ["/ip-packet-router"] = ReadService,
        ["/description"] = root => JsonMember.OptionalText(root, "moniker") ?? "",
    }.ToFrozenDictionary();

    // A node may lack the others.
    private static readonly FrozenSet<string> s_optional =
        new[] { "/network-requester", "/network-requester/exit-policy", "/ip-packet-router", "/description" }.ToFrozenSet();

    private readonly Dictionary<string, string> _faults = [];

    public DescribedNode(NodeAnswers answers)
    {
        Answers = answers;
        Health = Read<string>("/health");
        var signed = Read<SignedHost>("/host-information");
        Host = signed?.Host;
        IsSignatureValid = signed is { IsValid: true };
        Roles = Read<RoleFlags>("/roles");
        Build = Read<BuildFacts>("/build-information");
        Websockets = Read<Ports>("/gateway/client-interfaces/mixnet-websockets");
        Details = Read<Auxiliary>("/auxiliary-details");
        Requester = Read<DescribedService>("/network-requester");
        Policy = Read<DescribedPolicy>("/network-requester/exit-policy");
        Router = Read<DescribedService>("/ip-packet-router");
        Read<string>("/description");
    }

    public sealed record RoleFlags(bool Mixnode, bool Gateway, bool NetworkRequester, bool IpPacketRouter);

    public sealed record BuildFacts(string BinaryName, string BuildVersion);

    public sealed record Ports(ushort Ws, ushort? Wss);

    public sealed record Auxiliary(string? Location, ushort? MixPort, bool AcceptedTerms);

    public NodeAnswers Answers { get; }

    public IReadOnlyDictionary<string, string> Faults => _faults;

    public string? Health { get; }

    public HostInformation? Host { get; }

    public bool IsSignatureValid { get; }

    public RoleFlags? Roles { get; }

    public BuildFacts? Build { get; }

    public Ports? Websockets { get; }

    public Auxiliary? Details { get; }

    public DescribedService? Requester { get; }

    public DescribedPolicy? Policy { get; }

    public DescribedService? Router { get; }

    private sealed record SignedHost(HostInformation Host, bool IsValid);

    /// <summary>Null with what is wrong where the body of a path cannot be read.</summary>
    public static object? Section(string path, ReadOnlyMemory<byte> body, out string? fault)
    {
        fault = "no valid text";
        if (!Utf8.IsValid(body.Span))
            return null;
        try
        {
            using var document = JsonDocument.Parse(body);
            fault = null;
            return s_readers[path](document.RootElement);
        }
        catch (JsonException)
        {
            fault = "no valid JSON";
        }
        catch (Exception error) when (error is FormatException or PolicyFormatException)
        {
            fault = error.Message.TrimEnd('.');
        }
        catch (InvalidOperationException)
        {
            // An escape stands for half a surrogate pair.
            fault = "no valid text";
        }

        return null;
    }

    private T? Read<T>(string path)
        where T : class
    {
        var answer = Answers[path];
        string? fault = null;
        var section = answer.IsFound ? Section(path, answer.Body, out fault) : null;
        if (!answer.IsFound && (answer.Status != NotImplemented || !s_optional.Contains(path)))
            fault = answer.Problem ?? $"status {answer.Status}";
        if (fault is not null)
            _faults[path] = fault;
        return (T?)section;
    }

    private static SignedHost ReadHost(JsonElement root)
    {
        var host = HostInformation.Read(JsonMember.Object(root, "data"));
        return new SignedHost(host, SignedObject.Verify(root, host.Identity, SerdeJson.Of(host.Write)));
    }

    private static BuildFacts ReadBuild(JsonElement root)
    {
        foreach (var name in new[] { "build_timestamp", "commit_sha", "commit_timestamp", "commit_branch", "rustc_version", "rustc_channel", "cargo_profile" })
            JsonMember.Text(root, name);
        return new BuildFacts(JsonMember.Text(root, "binary_name"), JsonMember.Text(root, "build_version"));
    }

    private static DescribedService ReadService(JsonElement root) => new(
        JsonMember.Key(root, "encoded_identity_key"),
        JsonMember.Key(root, "encoded_x25519_key"),
        Recipient.TryParse(JsonMember.Text(root, "address"), out var address) ? address : null);

    private static DescribedPolicy ReadPolicy(JsonElement root) => new(
        JsonMember.Flag(root, "enabled"),
        JsonMember.Text(root, "upstream_source"),
        DateTimeOffset.FromUnixTimeSeconds(JsonMember.Number(root, "last_updated", uint.MaxValue)),
        JsonMember.OptionalObject(root, "policy") is { } policy ? PolicyJson.Parse(Encoding.UTF8.GetBytes(policy.GetRawText()), "the node's policy") : null);
}
