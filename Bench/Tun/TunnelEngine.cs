using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Threading.Channels;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.IpPacketRouter.Packets;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Topology;

namespace FastExit.Bench.Tun;

/// <summary>
/// A tunnel of IP packets through an IP packet router (ip-packet-router.md §9.6) over a <see cref="MixClient"/>, whose thread owns all
/// state: it connects in the newest version that is answered, bundles packets upwards, hands packets of its own addresses downwards, pings
/// when it hears nothing and connects anew when the exit has lost it. One sender tag for its whole life, so an exit that still knows it
/// gives it the same addresses.
/// </summary>
internal sealed partial class TunnelEngine : IMixService, IDisposable
{
    private const int ControlBytes = 128;

    /// <summary>Data packets queued in the client, before packets wait in the queue that drops.</summary>
    private const int MaximumWaiting = 32;

    private readonly TunnelSettings _settings;
    private readonly IPacketSink _sink;
    private readonly MixClient _mix;
    private readonly PacketQueue _uplink;
    private readonly UplinkBundle _bundle = new();
    private readonly Channel<TunnelState> _changes = Channel.CreateUnbounded<TunnelState>();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TunnelState _state = new(TunnelPhase.Connecting, 0, default, 0, "");
    private volatile bool _closeWanted;
    private ulong _streamId;
    private uint _sequence;
    private long _lastUplink;

    /// <exception cref="ArgumentException">The topology lacks a layer, the client's gateway or the router's.</exception>
    public TunnelEngine(
        NetworkTopology topology, IClientGateway gateway, in Recipient router, TunnelSettings settings, IPacketSink sink,
        ClientCounters? counters = null)
    {
        _settings = settings;
        _sink = sink;
        _uplink = new PacketQueue(settings.QueueBytes);
        _mix = new MixClient(topology, gateway, router, settings, this, counters);
        _mix.Start();
    }

    public ClientCounters Counters => _mix.Counters;

    public TunnelState State => _state;

    /// <summary>Every state from the first on; for one reader.</summary>
    public ChannelReader<TunnelState> Changes => _changes.Reader;

    /// <inheritdoc cref="MixClient.UseTopology"/>
    public void UseTopology(NetworkTopology topology) => _mix.UseTopology(topology);

    /// <summary>
    /// One packet from the device; from any one thread. It may be changed. Dropped and counted when the tunnel is not up, its sender is not
    /// the tunnel, or too much waits.
    /// </summary>
    public void Send(Span<byte> packet)
    {
        TunnelState state = _state;
        if (state.Phase != TunnelPhase.Up)
        {
            Counters.Increment(ClientCounter.IpPacketsDropped);
            return;
        }

        if (IpPacket.TryRead(packet, out IpPacket ip) != IpReadStatus.Ok || !state.Pair.Contains(ip.Source))
        {
            Counters.Increment(ClientCounter.IpPacketsRefused);
            return;
        }

        packet = packet[..ip.Bytes];
        MssClamp.Apply(packet, ip, state.Mtu);
        if (!_uplink.TryPut(packet, out bool wasEmpty))
            Counters.Increment(ClientCounter.IpPacketsDropped);
        else if (wasEmpty)
            _mix.Wake();
    }

    /// <summary>Tells the exit and waits for its answer, but not for long.</summary>
    public Task CloseAsync()
    {
        _closeWanted = true;
        _mix.Wake();
        return _ended.Task.WaitAsync(_settings.DisconnectWait + TimeSpan.FromSeconds(1))
            .ContinueWith(_ => { }, TaskScheduler.Default);
    }

    public void Dispose() => _mix.Dispose();

    bool IMixService.WantsSurbs => _state.Phase == TunnelPhase.Up;

    bool IMixService.TakeCommands(long now)
    {
        if (_state.Phase == TunnelPhase.Connecting && _round.Count == 0)
            BeginRound(now);
        if (_closeWanted)
            BeginClose(now);
        bool any = false;
        while (_mix.DataWaiting < MaximumWaiting && _uplink.TryTake(out ArraySegment<byte> packet))
        {
            any = true;
            if (_state.Phase == TunnelPhase.Up)
                Bundle(packet, now);
            else
                Counters.Increment(ClientCounter.IpPacketsDropped);
            ArrayPool<byte>.Shared.Return(packet.Array!);
        }

        // Nothing is ahead of it: waiting would only delay it.
        if (_bundle.Packets > 0
            && (_mix.DataWaiting == 0 || now - _bundle.Started >= (long)_settings.BundleWait.TotalMilliseconds))
            SendBundle(now);
        return any;
    }

    void IMixService.Stopped()
    {
        if (_state.Phase is not (TunnelPhase.Closed or TunnelPhase.Failed))
            Change(_state with { Phase = TunnelPhase.Closed, Reason = "stopped" });
    }

    private void Bundle(ReadOnlySpan<byte> packet, long now)
    {
        int limit = BundleLimits.Request(_state.Version);
        if (_bundle.TryAdd(packet, limit, now))
            return;
        SendBundle(now);
        _bundle.TryAdd(packet, limit, now);
    }

    private void SendBundle(long now)
    {
        Span<byte> header = stackalloc byte[ControlBytes];
        if (IprRequestWriter.TryWriteDataHeader(header, NextEnvelope(), _bundle.Bytes.Length, out int bytes))
        {
            var message = new OutgoingMessage(null, isData: true) { MaximumRetransmissions = 0 };
            _mix.SendData(message, surbs: 0, header[..bytes], _bundle.Bytes, now);
            Counters.Increment(ClientCounter.BundlesUp);
            Counters.Add(ClientCounter.IpPacketsUp, _bundle.Packets);
            Counters.Add(ClientCounter.BytesUp, _bundle.Bytes.Length - (_bundle.Packets * BundleLimits.PrefixBytes));
            if (_firstUnanswered == 0)
                _firstUnanswered = now;
            _lastUplink = now;
        }

        _bundle.Clear();
    }

    private void DropUplink()
    {
        Counters.Add(ClientCounter.IpPacketsDropped, _bundle.Packets);
        _bundle.Clear();
        while (_uplink.TryTake(out ArraySegment<byte> packet))
        {
            Counters.Increment(ClientCounter.IpPacketsDropped);
            ArrayPool<byte>.Shared.Return(packet.Array!);
        }
    }

    private IprEnvelope NextEnvelope()
    {
        byte version = _state.Version;
        if (!IprVersion.UsesStream(version))
            return new IprEnvelope(version, 0, 0);
        _sequence = StreamFrame.NextSequence(_sequence);
        return new IprEnvelope(version, _streamId, _sequence);
    }

    private static ulong RandomId() => BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8));

    private void Change(TunnelState state)
    {
        _state = state;
        _changes.Writer.TryWrite(state);
        if (state.Phase is not (TunnelPhase.Closed or TunnelPhase.Failed))
            return;
        _changes.Writer.TryComplete();
        _ended.TrySetResult();
    }
}
