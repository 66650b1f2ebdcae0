using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;

namespace FastExit.Bench.Lab;

/// <summary>What a lab node does to the packets it was made for.</summary>
internal sealed record LabNodeSettings
{
    /// <summary>Addresses a packet may be sent on to; the topology's, as in a real node's routing filter.</summary>
    public required IReadOnlySet<IPEndPoint> Known { get; init; }

    /// <summary>Share of packets lost on purpose at every forward hop, 0 to 1.</summary>
    public double Loss { get; init; }

    /// <summary>False: mixes send packets on at once, whatever delay the client wrote into them.</summary>
    public bool Holds { get; init; } = true;

    /// <summary>Null: this node's links are plain.</summary>
    public LabNoise? Noise { get; init; }
}

/// <summary>
/// One node of the lab: a mix listener, one thread that opens packets up to eight at a time, a replay check, and an outgoing side.
/// </summary>
internal abstract class LabNode : IDisposable
{
    private const int InboxPackets = 16384;
    private const int Lanes = 8;
    private const int MaximumCachedAddresses = 1024;
    private readonly NodeKeys _keys;
    private readonly PacketInbox _inbox = new(InboxPackets);
    private readonly FramedListener _listener;
    private readonly Thread _thread;
    private readonly SphinxHopBatch _batch = new();
    private readonly byte[] _region = new byte[Lanes * (PacketSizes.LargestPacketBytes + 64)];
    private readonly SeenTags _seen = new();
    private readonly Dictionary<NodeAddress, IPEndPoint> _addresses = [];
    private volatile bool _stop;
    private long _packets;
    private long _rejected;
    private long _replays;

    protected LabNode(string name, NodeKeys keys, IPEndPoint address, LabNodeSettings settings)
    {
        Name = name;
        _keys = keys;
        Settings = settings;
        _listener = new FramedListener(address, _inbox.Put, settings.Noise);
        Egress = new FramedEgress(settings.Noise);
        _thread = new Thread(Run) { IsBackground = true, Name = name };
    }

    public string Name { get; }

    public IPEndPoint Address => _listener.Address;

    public LabNodeSettings Settings { get; set; }

    public long Packets => Volatile.Read(ref _packets);

    /// <summary>Packets that failed a check: MAC, routing, payload, address, missing ack.</summary>
    public long Rejected => Volatile.Read(ref _rejected);

    public long Replays => Volatile.Read(ref _replays);

    public long Overflowed => _inbox.Dropped + Egress.Dropped;

    protected FramedEgress Egress { get; }

    public void Start()
    {
        _thread.Start();
        _listener.Start();
    }

    public void Dispose()
    {
        _stop = true;
        _inbox.Wake();
        _listener.Dispose();
        if (_thread.IsAlive)
            _thread.Join();
        Egress.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A packet that stays; the packet in <paramref name="lane"/> of <paramref name="region"/> is opened, its frame is <paramref name="packet"/>.</summary>
    /// <returns>True when the buffer was passed on.</returns>
    protected abstract bool Forward(ReadOnlySpan<byte> region, in SphinxLane lane, MixPacket packet);

    /// <summary>A packet whose last hop this is.</summary>
    protected abstract void Final(ReadOnlySpan<byte> region, in SphinxLane lane, MixPacket packet);

    /// <summary>Sends what is due; returns how long there is nothing to send.</summary>
    protected virtual TimeSpan SendDue(long now) => TimeSpan.FromMilliseconds(500);

    protected void Reject() => Interlocked.Increment(ref _rejected);

    /// <summary>False when the address is malformed or not one of the topology's.</summary>
    protected bool TryNextHop(ReadOnlySpan<byte> bytes, out IPEndPoint address)
    {
        address = null!;
        if (!NodeAddress.TryRead(bytes, out NodeAddress node, out _))
            return false;
        if (_addresses.TryGetValue(node, out IPEndPoint? cached))
        {
            address = cached;
            return true;
        }

        address = node.ToIPEndPoint();
        if (!Settings.Known.Contains(address))
            return false;
        if (_addresses.Count < MaximumCachedAddresses)
            _addresses.Add(node, address);
        return true;
    }

    private void Run()
    {
        var packets = new MixPacket[Lanes];
        var lanes = new SphinxLane[Lanes];
        while (!_stop)
        {
            TimeSpan wait = SendDue(Stopwatch.GetTimestamp());
            int taken = _inbox.Take(packets, wait);
            if (taken > 0)
                Process(packets.AsSpan(0, taken), lanes.AsSpan(0, taken));
        }
    }

    private void Process(ReadOnlySpan<MixPacket> packets, Span<SphinxLane> lanes)
    {
        int offset = 0;
        for (int i = 0; i < packets.Length; i++)
        {
            packets[i].Span.CopyTo(_region.AsSpan(offset));
            lanes[i] = new SphinxLane { Offset = offset, Length = packets[i].Bytes, Key = 0 };
            offset += (packets[i].Bytes + 63) & ~63;
        }

        _batch.OpenHeaders(_region, lanes, _keys.SphinxPrivate);
        foreach (ref SphinxLane lane in lanes)
        {
            if (lane.Status == SphinxStatus.HeaderValid && !_seen.Add(lane.ReplayTag.AsSpan()))
            {
                lane.Status = SphinxStatus.Skipped;
                Interlocked.Increment(ref _replays);
            }
        }

        _batch.OpenPayloads(_region, lanes);
        Interlocked.Add(ref _packets, packets.Length);
        for (int i = 0; i < packets.Length; i++)
        {
            bool passed = false;
            switch (lanes[i].Status)
            {
                case SphinxStatus.Forward:
                    passed = (Settings.Loss > 0 && Random.Shared.NextDouble() < Settings.Loss) is false
                        && Forward(_region, lanes[i], packets[i]);
                    break;
                case SphinxStatus.Final:
                    Final(_region, lanes[i], packets[i]);
                    break;
                case SphinxStatus.Skipped:
                    break;
                default:
                    Reject();
                    break;
            }

            if (!passed)
                packets[i].Return();
        }
    }

    /// <summary>Replay tags in two generations: the older one is forgotten when the newer is full.</summary>
    private sealed class SeenTags
    {
        private const int Generation = 500_000;
        private HashSet<UInt128> _new = [];
        private HashSet<UInt128> _old = [];

        public bool Add(ReadOnlySpan<byte> tag)
        {
            UInt128 value = MemoryMarshal.Read<UInt128>(tag);
            if (_old.Contains(value) || !_new.Add(value))
                return false;
            if (_new.Count >= Generation)
            {
                (_old, _new) = (_new, _old);
                _new.Clear();
            }

            return true;
        }
    }
}
