using System.Net;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.Topology;

namespace FastExit.Bench.Client;

/// <summary>
/// Builds what the client sends, up to eight packets or SURBs side by side: acks first, then the packets around them (end-to-end.md §4.4).
/// Everything is of Regular size and Sphinx version 259. One thread.
/// </summary>
internal sealed class PacketFactory
{
    public const int Lanes = 8;

    /// <summary>A reply SURB over four hops.</summary>
    public const int SurbBytes = 460;

    private const int Stride = 2432;
    private readonly RouteSource _routes;
    private readonly ClientIdentity _identity;
    private readonly Recipient _service;
    private readonly TopologyNode _ownGateway;
    private readonly TopologyNode _serviceGateway;
    private readonly AckBatch _acks = new();
    private readonly ForwardPacketBatch _packets = new();
    private readonly ReplySurbBatch _surbs = new();
    private readonly byte[] _region = new byte[Lanes * Stride];

    /// <exception cref="ArgumentException">A gateway is not in the topology, or a layer is empty.</exception>
    public PacketFactory(NetworkTopology topology, ClientIdentity identity, in Recipient service, TimeSpan meanHopDelay)
    {
        if (!topology.TryGetGateway(identity.Address.Gateway, out _ownGateway))
            throw new ArgumentException("the client's own gateway is not in the topology", nameof(topology));
        if (!topology.TryGetGateway(service.Gateway, out _serviceGateway))
            throw new ArgumentException("the service's gateway is not in the topology", nameof(topology));
        for (int layer = 1; layer <= NetworkTopology.Layers; layer++)
        {
            if (topology.Layer(layer).Length == 0)
                throw new ArgumentException($"the topology has no mix in layer {layer}", nameof(topology));
        }

        _routes = new RouteSource(topology, meanHopDelay);
        _identity = identity;
        _service = service;
        Rotation = KeyRotation.FromId(topology.RotationId);
    }

    public KeyRotation Rotation { get; }

    /// <summary>
    /// Builds and hands over one packet for each fragment; <paramref name="expected"/> gets the time until its ack comes back.
    /// </summary>
    public void Send(ReadOnlySpan<OutgoingFragment> fragments, Span<TimeSpan> expected, Action<IPEndPoint, MixPacket> send)
    {
        _acks.Clear();
        for (int lane = 0; lane < fragments.Length; lane++)
        {
            _acks.Add(
                _routes.Draw(_ownGateway, _identity.Address.Identity),
                _identity.AckKey,
                fragments[lane].SetId,
                fragments[lane].Position);
            expected[lane] = _routes.ExpectedDelay;
        }

        _acks.Build();
        _packets.Clear();
        var firstHops = new IPEndPoint[fragments.Length];
        for (int lane = 0; lane < fragments.Length; lane++)
        {
            fragments[lane].Bytes.CopyTo(_region.AsSpan((lane * Stride) + PacketLayout.FragmentOffset));
            _packets.Add(
                lane * Stride,
                PacketSize.Regular,
                _routes.Draw(_serviceGateway, _service.Identity),
                _service.EncryptionKey,
                _acks.Prefix(lane));
            expected[lane] += _routes.ExpectedDelay;
            firstHops[lane] = _routes.FirstHop;
        }

        _packets.Build(_region);
        int bytes = PacketSizes.PacketBytes(PacketSize.Regular);
        for (int lane = 0; lane < fragments.Length; lane++)
        {
            // A node key that yields no shared secret: the fragment stays pending and takes another route the next time.
            if (!_packets.IsBuilt(lane))
                continue;
            send(firstHops[lane], MixPacket.Copy(_region.AsSpan(lane * Stride, bytes), PacketSize.Regular, Rotation));
        }
    }

    /// <summary>Writes <paramref name="count"/> fresh SURBs and remembers their keys.</summary>
    public void WriteSurbs(Span<byte> destination, int count, SurbLedger ledger, long now)
    {
        for (int done = 0; done < count; done += Lanes)
        {
            int lanes = Math.Min(Lanes, count - done);
            _surbs.Clear();
            for (int lane = 0; lane < lanes; lane++)
                _surbs.Add(_routes.Draw(_ownGateway, _identity.Address.Identity));
            _surbs.Build();
            for (int lane = 0; lane < lanes; lane++)
            {
                _surbs.Surb(lane).CopyTo(destination[((done + lane) * SurbBytes)..]);
                ledger.Add(_surbs.Digest(lane), _surbs.ReplyKey(lane), now);
            }
        }
    }
}
