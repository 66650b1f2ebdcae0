using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.MixLink;
using FastExit.Topology;
using Xunit;
using ExitKeys = FastExit.Identity.NodeKeys;
using LabKeys = FastExit.Bench.Lab.NodeKeys;

namespace FastExit.Tests.EndToEnd;

/// <summary>A whole exit between three mixes and an entry gateway, all in this process, all of whose links are encrypted.</summary>
public sealed class EncryptedLinkTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_hopDelay = TimeSpan.FromMilliseconds(3);
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-links-").FullName;
    private readonly List<LabNode> _nodes = [];
    private readonly ExitKeys _keys = ExitKeys.Generate(1);
    private readonly EntryGateway _entry;
    private readonly IPEndPoint _exitAddress;
    private readonly NetworkTopology _topology;

    public EncryptedLinkTests()
    {
        TopologyRole[] roles = [TopologyRole.Mix1, TopologyRole.Mix2, TopologyRole.Mix3, TopologyRole.Entry];
        LabKeys[] keys = [.. roles.Select(_ => LabKeys.Generate())];
        NoiseIdentity[] noise = [.. roles.Select(_ => new NoiseIdentity(RandomNumberGenerator.GetBytes(32)))];
        IPEndPoint[] addresses = LabDirectory.FreeAddresses(roles.Length + 1);
        _exitAddress = addresses[^1];
        _topology = new NetworkTopology(
            1,
            [
                .. roles.Select((role, i) => new TopologyNode(keys[i].Identity, keys[i].SphinxKey, addresses[i], role) { NoiseKey = noise[i].PublicKey.ToArray() }),
                new TopologyNode(_keys.Identity.ToArray(), _keys.CurrentSphinxKey.PublicKey.ToArray(), _exitAddress, TopologyRole.Exit) { NoiseKey = _keys.NoisePublicKey.ToArray() },
            ]);
        LabNodeSettings[] settings = [.. noise.Select(identity => new LabNodeSettings
        {
            Known = LabDirectory.Known(_topology),
            Noise = new LabNoise(identity, address => _topology.TryGetNoiseKey(address, out byte[] key) ? key : null),
        })];
        for (int i = 0; i < 3; i++)
            _nodes.Add(new MixNode($"mix-{i + 1}", keys[i], addresses[i], settings[i]));
        _entry = new EntryGateway("entry", keys[3], addresses[3], settings[3]);
        _nodes.Add(_entry);
        foreach (LabNode node in _nodes)
            node.Start();
    }

    public void Dispose()
    {
        foreach (LabNode node in _nodes)
            node.Dispose();
        _keys.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BytesGoThereAndBackAndPlainIsRefused(bool legacy)
    {
        using var echo = new TcpListener(IPAddress.Loopback, 0);
        echo.Start();
        _ = EchoAsync(echo);
        await using ExitRuntime exit = Start(legacy);
        using var client = new ClientEngine(_topology, _entry, _keys.NetworkRequester.Address, new ClientSettings { MeanHopDelay = s_hopDelay });
        ProxyConnection connection = client.Open(echo.LocalEndpoint.ToString()!);
        Assert.True((await connection.Opened.WaitAsync(s_patience)).Connected);
        byte[] sent = RandomNumberGenerator.GetBytes(300_000);
        Task<byte[]> receiving = ReceiveAsync(connection, sent.Length);
        for (int at = 0; at < sent.Length; at += 1500)
            await connection.SendAsync(new ArraySegment<byte>(sent[at..Math.Min(at + 1500, sent.Length)]));
        Assert.Equal(sent, await receiving.WaitAsync(s_patience));

        Assert.True(Sum(exit, Counter.MixLink_Handshakes) > 0);
        Assert.True(Sum(exit, Counter.MixLink_EgressHandshakes) > 0);
        Assert.True(Sum(exit, Counter.MixLink_RecordsReceived) > 10);
        Counter[] failures =
        [
            Counter.MixLink_RecordsForged, Counter.MixLink_HandshakesRefused, Counter.MixLink_EgressHandshakeFailures, Counter.MixLink_PlainRefused,
            Counter.MixLink_BadVersion, Counter.Sphinx_BadMac, Counter.MixLink_EgressBindFailures,
        ];
        Assert.All(failures, counter => Assert.Equal(0, Sum(exit, counter)));
        Assert.All(_nodes, node => Assert.Equal(0, node.Rejected));

        // The mixes' address is known for Noise: whoever speaks plain there is somebody else.
        using var plain = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        plain.Connect(_exitAddress);
        plain.Send([7, 1, 0]);
        Assert.Equal(0, await plain.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        Assert.Equal(1, Sum(exit, Counter.MixLink_PlainRefused));
        connection.Close();
    }

    private static long Sum(ExitRuntime exit, Counter counter) => exit.Counters.Sum(core => core.Read(counter));

    private static async Task<byte[]> ReceiveAsync(ProxyConnection connection, int bytes)
    {
        var received = new MemoryStream();
        while (received.Length < bytes)
        {
            ReadResult read = await connection.Input.ReadAsync();
            foreach (ReadOnlyMemory<byte> part in read.Buffer)
                received.Write(part.Span);
            connection.Consumed((int)read.Buffer.Length);
            connection.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
                break;
        }

        return received.ToArray();
    }

    private static async Task EchoAsync(TcpListener listener)
    {
        using Socket socket = await listener.AcceptSocketAsync();
        using var stream = new NetworkStream(socket);
        try
        {
            await stream.CopyToAsync(stream);
        }
        catch (IOException)
        {
            // The test is over.
        }
    }

    private ExitRuntime Start(bool legacy) => ExitRuntime.Start(
        new ExitSettings
        {
            DataDirectory = _directory,
            Cores = new CoreSettings { Cores = [0], Pin = false },
            Memory = new MemorySettings { RegularSlots = 4096, ExtendedSlots = 16, AssemblyBytes = 16 << 20, HugePages = false },
            MixLink = new MixLinkSettings
            {
                Listen = [_exitAddress],
                Announced = _exitAddress,
                LegacyFraming = legacy,
                ReplayFilterPackets = 100_000,
                ReplayFilterPersistent = false,
            },
            Delivery = new DeliverySettings { MeanHopDelay = s_hopDelay },
            Policy = new PolicySettings { OpenProxy = true, AllowedLocalPrefixes = ["127.0.0.1/32"] },
            TopologyFile = Path.Combine(_directory, "topology.json"),
        },
        _keys,
        _topology,
        _ => { });
}
