using System.Net;
using System.Text;
using FastExit.Topology;
using SimpleBase;
using Xunit;

namespace FastExit.Tests.Topology;

public sealed class NetworkTopologyTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-topology-").FullName;

    private string FilePath => Path.Combine(_directory, "topology.json");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void What_is_saved_is_loaded_again()
    {
        var saved = Sample();
        saved.Save(FilePath);
        var loaded = NetworkTopology.Load(FilePath);

        Assert.Equal(7u, loaded.RotationId);
        Assert.Equal(saved.Nodes.Count, loaded.Nodes.Count);
        foreach (var (before, after) in saved.Nodes.Zip(loaded.Nodes))
        {
            Assert.Equal(before.Identity, after.Identity);
            Assert.Equal(before.SphinxKey, after.SphinxKey);
            Assert.Equal(before.MixAddress, after.MixAddress);
            Assert.Equal(before.Role, after.Role);
        }
    }

    [Fact]
    public void A_Noise_key_is_found_under_every_address_of_its_node()
    {
        byte[] key = [.. Enumerable.Repeat((byte)9, TopologyNode.KeyBytes)];
        NetworkTopology plain = Sample();
        TopologyNode mix = plain.Layer(1)[0] with { NoiseKey = key, OtherAddresses = [IPAddress.Parse("2001:db8::9")] };
        var topology = new NetworkTopology(7, [.. plain.Nodes.Where(n => n.Role != TopologyRole.Mix1), mix]);
        int port = mix.MixAddress.Port;

        Assert.True(topology.TryGetNoiseKey(mix.MixAddress, out byte[] found));
        Assert.Equal(key, found);
        Assert.True(topology.TryGetNoiseKey(new IPEndPoint(mix.MixAddress.Address.MapToIPv6(), port), out _));
        Assert.True(topology.TryGetNoiseKey(new IPEndPoint(IPAddress.Parse("2001:db8::9"), port), out _));
        Assert.False(topology.TryGetNoiseKey(new IPEndPoint(mix.MixAddress.Address, port + 1), out _));
        Assert.False(topology.TryGetNoiseKey(topology.Layer(2)[0].MixAddress, out _));
        Assert.True(topology.SupportsNoise(mix.MixAddress.Address.MapToIPv6()));
        Assert.True(topology.SupportsNoise(IPAddress.Parse("2001:db8::9")));
        Assert.False(topology.SupportsNoise(IPAddress.Parse("2001:db8::a")));
        Assert.False(plain.SupportsNoise(mix.MixAddress.Address));
        Assert.Throws<ArgumentException>(() => new NetworkTopology(7, [mix with { NoiseKey = new byte[31] }]));
    }

    [Fact]
    public void Layers_gateways_and_addresses_are_found()
    {
        var topology = Sample();
        Assert.Equal(TopologyRole.Mix2, Assert.Single(topology.Layer(2)).Role);
        Assert.Throws<ArgumentOutOfRangeException>(() => topology.Layer(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => topology.Layer(4));

        var exit = topology.Nodes.Single(node => node.Role == TopologyRole.Exit);
        Assert.True(topology.TryGetGateway(exit.Identity, out var found));
        Assert.Same(exit, found);
        Assert.False(topology.TryGetGateway(topology.Layer(1)[0].Identity, out _));
        Assert.False(topology.TryGetGateway(new byte[31], out _));
        var other = (byte[])exit.Identity.Clone();
        other[31] ^= 1;
        Assert.False(topology.TryGetGateway(other, out _));

        Assert.True(topology.IsKnownMixAddress(new IPEndPoint(IPAddress.Loopback, 1791)));
        Assert.True(topology.IsKnownMixAddress(new IPEndPoint(IPAddress.Loopback.MapToIPv6(), 1791)));
        Assert.False(topology.IsKnownMixAddress(new IPEndPoint(IPAddress.Loopback, 1790 + 64)));
        Assert.False(topology.IsKnownMixAddress(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 1791)));
    }

    [Fact]
    public void Finding_a_gateway_allocates_nothing()
    {
        var topology = Sample();
        var identity = topology.Nodes[^1].Identity;
        topology.TryGetGateway(identity, out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
            topology.TryGetGateway(identity, out _);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData("", 1, "empty")]
    [InlineData(" \n\n", 1, "empty")]
    [InlineData("[]", 1, "one JSON object")]
    [InlineData("{", 1, "JSON")]
    [InlineData("{\"rotation\": 1}", 1, "\"nodes\" is missing")]
    [InlineData("{\"nodes\": []}", 1, "\"rotation\" is missing")]
    [InlineData("{\n\"rotation\": -1, \"nodes\": []}", 2, "whole number")]
    [InlineData("{\n\"rotation\": 4294967296, \"nodes\": []}", 2, "whole number")]
    [InlineData("{\n\"rotation\": 1.5, \"nodes\": []}", 2, "whole number")]
    [InlineData("{\"rotation\": \"1\", \"nodes\": []}", 1, "must be a number")]
    [InlineData("{\"rotation\": 1, \"rotation\": 2, \"nodes\": []}", 1, "twice")]
    [InlineData("{\"rotation\": 1,\n\"nodes\": [],\n\"x\": 1}", 3, "\"x\"")]
    [InlineData("{\"rotation\": 1, \"nodes\": {}}", 1, "must be a list")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n\n3]}", 3, "a node must be an object")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{}]}", 2, "no \"identity\"")]
    [InlineData("{\"rotation\": 1, \"nodes\": []} {}", 1, "JSON")]
    [InlineData("{\"rotation\": 1, \"nodes\": [],}", 1, "JSON")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"identity\": \"zzz\"}]}", 2, "base58 of 32 bytes")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"role\": \"mix4\"}]}", 2, "mix1, mix2, mix3, entry, exit")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"role\": 1}]}", 2, "mix1, mix2, mix3, entry, exit")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"identity\": \"11111111111111111111111111111111\"}]}", 2, "all zero")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"sphinx_key\": \"4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM\"}]}", 2, "low order")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"mix_address\": \"localhost:1\"}]}", 2, "IP:PORT")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"mix_address\": \"1.2.3.4:0\"}]}", 2, "IP:PORT")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"mix_address\": \"1.2.3.4\"}]}", 2, "IP:PORT")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"mix_address\": \"0.0.0.0:1\"}]}", 2, "IP:PORT")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"mix_address\": \"224.0.0.1:1\"}]}", 2, "IP:PORT")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"mix_address\": \"[ff02::1]:1\"}]}", 2, "IP:PORT")]
    [InlineData("{\"rotation\": 1, \"nodes\": [\n{\"mix_address\": \"[::]:1\"}]}", 2, "IP:PORT")]
    public void A_wrong_file_is_named_with_line_and_mend(string json, int line, string mend)
    {
        File.WriteAllText(FilePath, json);
        var error = Assert.Throws<TopologyException>(() => NetworkTopology.Load(FilePath));
        Assert.StartsWith($"{FilePath}: line {line}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(mend, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Shared_identities_and_addresses_are_refused()
    {
        var text = Written(Sample());
        var addresses = text.Replace("127.0.0.1:1791", "127.0.0.1:1790", StringComparison.Ordinal);
        Assert.Contains("too", Refusal(addresses), StringComparison.Ordinal);

        // A mapped address is the same peer.
        var mapped = text.Replace("127.0.0.1:1791", "[::ffff:127.0.0.1]:1790", StringComparison.Ordinal);
        Assert.Contains("too", Refusal(mapped), StringComparison.Ordinal);

        var nodes = Sample().Nodes;
        var twin = text.Replace(
            Base58.Bitcoin.Encode(nodes[1].Identity), Base58.Bitcoin.Encode(nodes[0].Identity), StringComparison.Ordinal);
        Assert.Contains("same identity", Refusal(twin), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_and_a_directory_are_told_apart()
    {
        Assert.Contains("no such file", Assert.Throws<TopologyException>(() => NetworkTopology.Load(FilePath)).Message, StringComparison.Ordinal);
        Assert.Contains("is a directory", Assert.Throws<TopologyException>(() => NetworkTopology.Load(_directory)).Message, StringComparison.Ordinal);
        Assert.Throws<TopologyException>(() => NetworkTopology.Load(""));
    }

    [Fact]
    public void A_failed_save_leaves_the_old_file_and_nothing_else()
    {
        Sample().Save(FilePath);
        var before = File.ReadAllBytes(FilePath);
        // Renaming a file over a directory fails after the temporary file was written.
        var blocked = Path.Combine(_directory, "taken");
        Directory.CreateDirectory(Path.Combine(blocked, "inner"));
        Assert.Throws<TopologyException>(() => Sample().Save(blocked));
        Assert.Throws<TopologyException>(() => Sample().Save(Path.Combine(_directory, "absent", "topology.json")));
        Assert.Equal(before, File.ReadAllBytes(FilePath));
        Assert.Equal([FilePath, blocked], Directory.EnumerateFileSystemEntries(_directory).Order(StringComparer.Ordinal).Reverse());
    }

    [Fact]
    public void Readers_see_a_whole_file_while_it_is_replaced()
    {
        Sample().Save(FilePath);
        using var stop = new CancellationTokenSource();
        var writer = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                Sample().Save(FilePath);
        });
        for (var i = 0; i < 2_000; i++)
            Assert.Equal(5, NetworkTopology.Load(FilePath).Nodes.Count);
        stop.Cancel();
        writer.Wait();
    }

    /// <summary>Every mutant either loads or is refused with a one-line TopologyException; what loads survives a round trip.</summary>
    [Fact]
    public void Mutated_files_never_fail_in_another_way()
    {
        TopologyNode[] nodes = [.. Sample().Nodes];
        nodes[3] = nodes[3] with { NoiseKey = [.. Enumerable.Range(1, 32).Select(i => (byte)i)], OtherAddresses = [IPAddress.Parse("192.0.2.7")] };
        var seed = Encoding.UTF8.GetBytes(Written(new NetworkTopology(7, nodes)).Replace("\n", "", StringComparison.Ordinal).Replace("  ", "", StringComparison.Ordinal));
        var random = new Random(20_260_101);
        var pieces = new[] { "\"", "{", "}", "[", "]", ",", ":", "null", "1e9", "\\u0000", "\\ud800", "\"role\"", "mix1", "-", "\n", "é" }
            .Select(Encoding.UTF8.GetBytes).ToArray();
        var loaded = 0;
        var buffer = new byte[seed.Length + 64];
        for (var i = 0; i < 1_000_000; i++)
        {
            seed.CopyTo(buffer, 0);
            var length = seed.Length;
            for (var edits = random.Next(1, 4); edits > 0; edits--)
            {
                var at = random.Next(length);
                switch (random.Next(4))
                {
                    case 0:
                        buffer[at] ^= (byte)(1 << random.Next(8));
                        break;
                    case 1:
                        length = at + 1;
                        break;
                    case 2:
                        var piece = pieces[random.Next(pieces.Length)];
                        piece.CopyTo(buffer.AsSpan(at));
                        length = Math.Max(length, at + piece.Length);
                        break;
                    default:
                        buffer[at] = (byte)random.Next(256);
                        break;
                }
            }

            try
            {
                var topology = TopologyFile.Parse("f", buffer.AsSpan(0, length));
                Assert.Equal(5, topology.Nodes.Count);
                loaded++;
            }
            catch (TopologyException error)
            {
                Assert.StartsWith("f: line ", error.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', error.Message);
            }
        }

        Assert.InRange(loaded, 100, 900_000);
    }

    [Fact]
    public void Noise_keys_and_further_addresses_survive_a_round_trip()
    {
        TopologyNode[] nodes = [.. Sample().Nodes];
        nodes[1] = nodes[1] with { NoiseKey = [.. Enumerable.Range(1, 32).Select(i => (byte)i)], OtherAddresses = [IPAddress.Parse("192.0.2.7"), IPAddress.Parse("2001:db8::7")] };
        string json = Written(new NetworkTopology(7, nodes));
        NetworkTopology read = NetworkTopology.Load(FilePath);
        Assert.Null(read.Nodes[0].NoiseKey);
        Assert.Equal(nodes[1].NoiseKey, read.Nodes[1].NoiseKey);
        Assert.Equal(nodes[1].OtherAddresses, read.Nodes[1].OtherAddresses);
        Assert.True(read.TryGetNoiseKey(new IPEndPoint(IPAddress.Parse("2001:db8::7"), nodes[1].MixAddress.Port), out _));
        foreach (string wrong in new[] { "192.0.2", "0.0.0.0", "fe80::1%1", "224.0.0.1", "1", "" })
            Assert.Contains("other_addresses", Refusal(json.Replace("192.0.2.7", wrong, StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void Unchecked_nodes_that_share_an_identity_or_address_are_counted_not_fatal()
    {
        IReadOnlyList<TopologyNode> nodes = Sample().Nodes;
        TopologyNode[] all =
        [
            .. nodes,
            nodes[0] with { MixAddress = new IPEndPoint(IPAddress.Loopback, 9) },
            nodes[1] with { Identity = [.. Enumerable.Repeat((byte)3, 32)] },
            nodes[2] with { Identity = [1], MixAddress = new IPEndPoint(IPAddress.Loopback, 10) },
        ];
        NetworkTopology topology = NetworkTopology.FromUnchecked(8, all, out int skipped);
        Assert.Equal((3, 8u), (skipped, topology.RotationId));
        Assert.Equal(nodes, topology.Nodes);
    }

    private string Refusal(string json)
    {
        File.WriteAllText(FilePath, json);
        return Assert.Throws<TopologyException>(() => NetworkTopology.Load(FilePath)).Message;
    }

    private string Written(NetworkTopology topology)
    {
        topology.Save(FilePath);
        return File.ReadAllText(FilePath);
    }

    private static NetworkTopology Sample()
    {
        var random = new Random(5);
        return new NetworkTopology(7, [.. Enum.GetValues<TopologyRole>().Select((role, index) =>
        {
            var identity = new byte[32];
            var key = new byte[32];
            random.NextBytes(identity);
            random.NextBytes(key);
            return new TopologyNode(identity, key, new IPEndPoint(IPAddress.Loopback, 1790 + index), role);
        })]);
    }
}
