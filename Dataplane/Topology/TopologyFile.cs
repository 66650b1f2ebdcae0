using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using FastExit.Configuration;
using FastExit.Crypto.Primitives;
using SimpleBase;

namespace FastExit.Topology;

/// <summary>
/// The JSON form of a <see cref="NetworkTopology"/>:
/// <c>{"rotation": 1, "nodes": [{"identity": "…", "sphinx_key": "…", "mix_address": "192.0.2.1:1789", "role": "mix1"}]}</c>.
/// Keys are base58 (Bitcoin alphabet) of 32 bytes, roles mix1, mix2, mix3, entry, exit. Every key must be there once, in any order,
/// and no other but a node's optional <c>"noise_key": "…"</c> and <c>"other_addresses": ["192.0.2.2"]</c>. Limits: <see cref="MaximumBytes"/>, <see cref="MaximumNodes"/>.
/// </summary>
internal static class TopologyFile
{
    public const int MaximumBytes = 16 << 20;
    public const int MaximumNodes = 65_536;

    // 32 bytes of 0xff need 44 characters; shorter than 32 cannot be 32 bytes.
    private const int MinimumKeyCharacters = 32;
    private const int MaximumKeyCharacters = 44;

    // The decoder indexes a table by character and fails on those beyond it, so they are kept away from it.
    public static readonly SearchValues<char> Base58Characters =
        SearchValues.Create("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");

    public static NetworkTopology Read(string path)
    {
        byte[] content;
        if (Directory.Exists(path))
            throw new TopologyException($"{path}: is a directory; set topology.file to the network's node list, a file");
        try
        {
            var length = new FileInfo(path).Length;
            if (length > MaximumBytes)
                throw new TopologyException($"{path}: {length} bytes is more than a topology file may have ({MaximumBytes}); is it the right file?");
            content = File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TopologyException($"{path}: no such file; set topology.file to the network's node list", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new TopologyException($"{path}: cannot be read ({OneLine(error.Message)}); make it readable for this user", error);
        }

        return Parse(path, content);
    }

    public static NetworkTopology Parse(string path, ReadOnlySpan<byte> content)
    {
        if (content.Length > MaximumBytes)
            throw new TopologyException($"{path}: {content.Length} bytes is more than a topology file may have ({MaximumBytes})");
        if (content.StartsWith(Encoding.UTF8.Preamble))
            content = content[Encoding.UTF8.Preamble.Length..];

        if (!content.ContainsAnyExcept(" \t\r\n"u8))
            throw new TopologyException($"{path}: line 1: the file is empty; put the network's node list there");

        var parser = new Parser(path, content);
        try
        {
            return parser.Root();
        }
        catch (JsonException error)
        {
            var where = error.LineNumber is { } line ? line + 1 : parser.Line;
            throw new TopologyException($"{path}: line {where}: not valid JSON; check quotes, commas and brackets there", error);
        }
        catch (InvalidOperationException error)
        {
            // Strings that are not UTF-8 surface only when they are read.
            throw new TopologyException($"{path}: line {parser.Line}: not valid UTF-8 text; save the file as UTF-8", error);
        }
    }

    public static void Write(string path, NetworkTopology topology)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("rotation", topology.RotationId);
            writer.WriteStartArray("nodes");
            foreach (var node in topology.Nodes)
            {
                writer.WriteStartObject();
                writer.WriteString("identity", Base58.Bitcoin.Encode(node.Identity));
                writer.WriteString("sphinx_key", Base58.Bitcoin.Encode(node.SphinxKey));
                writer.WriteString("mix_address", node.MixAddress.ToString());
                writer.WriteString("role", RoleName(node.Role));
                if (node.NoiseKey is { } noise)
                    writer.WriteString("noise_key", Base58.Bitcoin.Encode(noise));
                if (node.OtherAddresses.Count > 0)
                {
                    writer.WriteStartArray("other_addresses");
                    foreach (var address in node.OtherAddresses)
                        writer.WriteStringValue(address.ToString());
                    writer.WriteEndArray();
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        buffer.Write("\n"u8);
        try
        {
            DurableFile.Write(path, buffer.WrittenSpan, DurableFile.PublicFile);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new TopologyException($"{path}: cannot be written ({OneLine(error.Message)}); check the directory and its rights", error);
        }
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ").TrimEnd('.');

    private static string RoleName(TopologyRole role) => role switch
    {
        TopologyRole.Mix1 => "mix1",
        TopologyRole.Mix2 => "mix2",
        TopologyRole.Mix3 => "mix3",
        TopologyRole.Entry => "entry",
        TopologyRole.Exit => "exit",
        _ => throw new ArgumentOutOfRangeException(nameof(role)),
    };

    private ref struct Parser
    {
        private readonly string _path;
        private readonly ReadOnlySpan<byte> _content;
        private Utf8JsonReader _reader;

        public Parser(string path, ReadOnlySpan<byte> content)
        {
            _path = path;
            _content = content;
            _reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = 8 });
        }

        public readonly int Line => _content[..(int)Math.Min(_reader.TokenStartIndex, _content.Length)].Count((byte)'\n') + 1;

        public NetworkTopology Root()
        {
            Next(JsonTokenType.StartObject, "the file must be one JSON object: {\"rotation\": …, \"nodes\": […]}");
            uint? rotation = null;
            List<TopologyNode>? nodes = null;
            while (NextKey())
            {
                if (_reader.ValueTextEquals("rotation"u8) && rotation is null)
                {
                    Next(JsonTokenType.Number, "\"rotation\" must be a number");
                    if (!_reader.TryGetUInt32(out var value))
                        throw Wrong("\"rotation\" must be a whole number from 0 to 4294967295");
                    rotation = value;
                }
                else if (_reader.ValueTextEquals("nodes"u8) && nodes is null)
                {
                    nodes = Nodes();
                }
                else
                {
                    throw UnknownKey("\"rotation\" and \"nodes\"");
                }
            }

            if (_reader.Read())
                throw Wrong("something follows the JSON object; remove it");
            return new NetworkTopology(
                rotation ?? throw Wrong("\"rotation\" is missing; add the id of the current key rotation"),
                nodes ?? throw Wrong("\"nodes\" is missing; add the list of nodes"));
        }

        private List<TopologyNode> Nodes()
        {
            Next(JsonTokenType.StartArray, "\"nodes\" must be a list");
            var nodes = new List<TopologyNode>();
            var identities = new HashSet<NetworkTopology.NodeKey>();
            var addresses = new HashSet<IPEndPoint>();
            while (true)
            {
                if (!_reader.Read())
                    throw Wrong("the list of nodes does not end");
                if (_reader.TokenType == JsonTokenType.EndArray)
                    return nodes;
                if (_reader.TokenType != JsonTokenType.StartObject)
                    throw Wrong("a node must be an object: {\"identity\": …, \"sphinx_key\": …, \"mix_address\": …, \"role\": …}");
                if (nodes.Count == MaximumNodes)
                    throw Wrong($"more than {MaximumNodes} nodes; is it the right file?");
                var node = Node();
                if (!identities.Add(NetworkTopology.NodeKey.From(node.Identity)))
                    throw Wrong("a node above has the same identity; remove one of the two");
                if (!addresses.Add(node.MixAddress))
                    throw Wrong($"a node above has the mix address {node.MixAddress} too; remove or correct one of the two");
                nodes.Add(node);
            }
        }

        private TopologyNode Node()
        {
            byte[]? identity = null;
            byte[]? sphinxKey = null;
            IPEndPoint? address = null;
            TopologyRole? role = null;
            byte[]? noiseKey = null;
            List<IPAddress>? others = null;
            while (NextKey())
            {
                if (_reader.ValueTextEquals("identity"u8) && identity is null)
                    identity = Key("identity");
                else if (_reader.ValueTextEquals("sphinx_key"u8) && sphinxKey is null)
                    sphinxKey = Key("sphinx_key");
                else if (_reader.ValueTextEquals("mix_address"u8) && address is null)
                    address = Address();
                else if (_reader.ValueTextEquals("role"u8) && role is null)
                    role = Role();
                else if (_reader.ValueTextEquals("noise_key"u8) && noiseKey is null)
                    noiseKey = Key("noise_key");
                else if (_reader.ValueTextEquals("other_addresses"u8) && others is null)
                    others = Others();
                else
                    throw UnknownKey("\"identity\", \"sphinx_key\", \"mix_address\", \"role\", \"noise_key\" and \"other_addresses\"");
            }

            return new TopologyNode(
                identity ?? throw Missing("identity"),
                sphinxKey ?? throw Missing("sphinx_key"),
                address ?? throw Missing("mix_address"),
                role ?? throw Missing("role"))
            {
                NoiseKey = noiseKey,
                OtherAddresses = others ?? [],
            };
        }

        private byte[] Key(string name)
        {
            Next(JsonTokenType.String, $"\"{name}\" must be text");
            var text = _reader.GetString()!;
            var key = new byte[TopologyNode.KeyBytes];
            // SimpleBase wants a byte of room for each leading '1' and then some.
            Span<byte> decoded = stackalloc byte[2 * MaximumKeyCharacters];
            if (text.Length is < MinimumKeyCharacters or > MaximumKeyCharacters || text.AsSpan().ContainsAnyExcept(Base58Characters)
                || !Base58.Bitcoin.TryDecode(text, decoded, out var written) || written != key.Length)
                throw Wrong($"\"{name}\" must be base58 of 32 bytes; copy the whole key, without 0, O, I, l");
            decoded[..written].CopyTo(key);
            if (!key.AsSpan().ContainsAnyExcept((byte)0))
                throw Wrong($"\"{name}\" is all zero; put the node's real key there");
            if (name != "identity" && X25519.HasLowOrder(key))
                throw Wrong($"\"{name}\" is a point of low order, which is no key; put the node's real key there");
            return key;
        }

        private List<IPAddress> Others()
        {
            const string Mend = "\"other_addresses\" must be a list of at most 64 hosts' IP addresses, such as [\"192.0.2.2\", \"2001:db8::2\"]";
            Next(JsonTokenType.StartArray, Mend);
            var others = new List<IPAddress>();
            while (true)
            {
                if (!_reader.Read())
                    throw Wrong("the list of addresses does not end");
                if (_reader.TokenType == JsonTokenType.EndArray)
                    return others;
                if (_reader.TokenType != JsonTokenType.String || others.Count == TopologyNode.MaximumOtherAddresses
                    || !TopologyNode.TryParseAddress(_reader.GetString()!, out var address))
                    throw Wrong(Mend);
                others.Add(address);
            }
        }

        private IPEndPoint Address()
        {
            const string Mend = "\"mix_address\" must be one host's IP:PORT, such as \"192.0.2.1:1789\" or \"[2001:db8::1]:1789\"";
            Next(JsonTokenType.String, Mend);
            if (!EndpointText.TryParse(_reader.GetString()!, out var endpoint) || endpoint.Port == 0)
                throw Wrong(Mend);
            endpoint = NetworkTopology.Normalize(endpoint);
            var address = endpoint.Address;
            var multicast = address.AddressFamily == AddressFamily.InterNetworkV6
                ? address.IsIPv6Multicast
                : address.GetAddressBytes()[0] >= 224;
            if (multicast || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
                throw Wrong(Mend);
            return endpoint;
        }

        private TopologyRole Role()
        {
            const string Mend = "\"role\" must be one of mix1, mix2, mix3, entry, exit";
            Next(JsonTokenType.String, Mend);
            return _reader.GetString() switch
            {
                "mix1" => TopologyRole.Mix1,
                "mix2" => TopologyRole.Mix2,
                "mix3" => TopologyRole.Mix3,
                "entry" => TopologyRole.Entry,
                "exit" => TopologyRole.Exit,
                _ => throw Wrong(Mend),
            };
        }

        private void Next(JsonTokenType expected, string mend)
        {
            if (!_reader.Read() || _reader.TokenType != expected)
                throw Wrong(mend);
        }

        private bool NextKey()
        {
            if (!_reader.Read())
                throw Wrong("the file ends too early");
            return _reader.TokenType == JsonTokenType.PropertyName;
        }

        private readonly TopologyException UnknownKey(string known) =>
            Wrong($"\"{_reader.GetString()}\" is unknown or there twice here; each of {known} stands once");

        private readonly TopologyException Missing(string name) => Wrong($"this node has no \"{name}\"; add it");

        private readonly TopologyException Wrong(string mend) => new($"{_path}: line {Line}: {OneLine(mend)}");
    }
}
