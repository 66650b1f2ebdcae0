using System.Net;
using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;
using FastExit.Topology;

namespace FastExit.Bench.Client;

/// <summary>
/// Draws routes: one node of each layer, then the gateway (sphinx.md §10), with an exponential delay at every hop but the last.
/// One thread; a route is valid until the next <see cref="Draw"/>.
/// </summary>
internal sealed class RouteSource(NetworkTopology topology, TimeSpan meanDelay)
{
    public const int Hops = NetworkTopology.Layers + 1;
    private readonly byte[] _keys = new byte[Hops * 32];
    private readonly byte[] _addresses = new byte[Hops * NodeAddress.SphinxBytes];
    private readonly ulong[] _delays = new ulong[Hops];
    private readonly byte[] _destination = new byte[32];
    private readonly byte[] _identifier = new byte[16];

    /// <summary>Sum of the delays of the last route.</summary>
    public TimeSpan ExpectedDelay { get; private set; }

    /// <summary>First hop of the last route.</summary>
    public IPEndPoint FirstHop { get; private set; } = new(IPAddress.None, 0);

    public SphinxRoute Draw(TopologyNode gateway, ReadOnlySpan<byte> destination)
    {
        ulong total = 0;
        for (int hop = 0; hop < Hops; hop++)
        {
            TopologyNode node = gateway;
            if (hop < NetworkTopology.Layers)
            {
                TopologyNode[] layer = topology.Layer(hop + 1);
                node = layer[RandomNumberGenerator.GetInt32(layer.Length)];
            }

            if (hop == 0)
                FirstHop = node.MixAddress;
            node.SphinxKey.CopyTo(_keys.AsSpan(hop * 32));
            NodeAddress.From(node.MixAddress).Write(_addresses.AsSpan(hop * NodeAddress.SphinxBytes, NodeAddress.SphinxBytes));
            _delays[hop] = Delay();
            if (hop < Hops - 1)
                total += _delays[hop];
        }

        destination.CopyTo(_destination);
        ExpectedDelay = TimeSpan.FromTicks((long)(total / 100));
        return new SphinxRoute(_keys, _addresses, _delays, _destination, _identifier);
    }

    private ulong Delay() =>
        meanDelay == TimeSpan.Zero ? 0 : (ulong)(-Math.Log(1 - Random.Shared.NextDouble()) * meanDelay.TotalMilliseconds * 1e6);
}
