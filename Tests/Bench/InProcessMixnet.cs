using System.Net;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Tun;
using FastExit.Topology;

namespace FastExit.Tests.Bench;

/// <summary>Three real mixes, an exit-side gateway with a <see cref="FakeService"/> and an entry gateway, all over loopback TCP.</summary>
internal sealed class InProcessMixnet : IDisposable
{
    private readonly List<LabNode> _nodes = [];
    private readonly EntryGateway _exit;
    private FakeRouter? _router;

    public InProcessMixnet(TimeSpan? meanDelay = null)
    {
        NodeKeys[] keys = [.. Enumerable.Range(0, 5).Select(_ => NodeKeys.Generate())];
        IPEndPoint[] addresses = LabDirectory.FreeAddresses(5);
        TopologyRole[] roles = [TopologyRole.Mix1, TopologyRole.Mix2, TopologyRole.Mix3, TopologyRole.Entry, TopologyRole.Exit];
        Topology = new NetworkTopology(
            1, [.. roles.Select((role, i) => new TopologyNode(keys[i].Identity, keys[i].SphinxKey, addresses[i], role))]);
        var settings = new LabNodeSettings { Known = LabDirectory.Known(Topology) };
        for (int i = 0; i < 3; i++)
            _nodes.Add(new MixNode($"mix-{i + 1}", keys[i], addresses[i], settings));
        Entry = new EntryGateway("entry", keys[3], addresses[3], settings);
        _exit = new EntryGateway("exit", keys[4], addresses[4], settings);
        _nodes.Add(Entry);
        _nodes.Add(_exit);
        foreach (LabNode node in _nodes)
            node.Start();
        MeanDelay = meanDelay ?? TimeSpan.FromMilliseconds(3);
        Service = new FakeService(_exit, Topology, MeanDelay);
    }

    public TimeSpan MeanDelay { get; }

    public NetworkTopology Topology { get; }

    public EntryGateway Entry { get; }

    public FakeService Service { get; private set; }

    /// <summary>An IP packet router beside the network requester, made when it is first asked for.</summary>
    public FakeRouter Router => _router ??= new FakeRouter(_exit, Topology, MeanDelay);

    public IEnumerable<MixNode> Mixes => _nodes.OfType<MixNode>();

    public ClientSettings Settings => new() { MeanHopDelay = MeanDelay };

    public ClientEngine Client(ClientSettings? settings = null) =>
        new(Topology, Entry, Service.Address, settings ?? Settings);

    public TunnelSettings TunnelSettings => new() { MeanHopDelay = MeanDelay };

    public TunnelEngine Tunnel(IPacketSink sink, TunnelSettings? settings = null) =>
        new(Topology, Entry, Router.Address, settings ?? TunnelSettings, sink);

    public void SetLoss(double loss)
    {
        foreach (MixNode mix in Mixes)
            mix.Settings = mix.Settings with { Loss = loss };
    }

    public void Dispose()
    {
        Service.Dispose();
        _router?.Dispose();
        foreach (LabNode node in _nodes)
            node.Dispose();
    }
}
