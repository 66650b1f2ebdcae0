using System.Net;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Native.Memory;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;

namespace FastExit.Bench.Tun;

/// <summary>Takes one packet that the host routed into the device; it may be changed during the call.</summary>
internal delegate void PacketTaker(Span<byte> packet);

/// <summary>
/// The tunnel's TUN device, in the network namespace of this process or in another one. What is written is joined into large frames until
/// <see cref="Flush"/>; what the host sends is read on a thread of its own, large frames cut into packets. Addresses, routes and state are
/// set by one thread.
/// </summary>
internal sealed class TunnelDevice : IPacketSink, IDisposable
{
    private const int BatchPackets = 64;
    private const int SlotBytes = 2048;
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(200);
    private readonly TunDevice _device;
    private readonly RouteNetlink _netlink;
    private readonly TunQueue _queue;
    private readonly ClientCounters _counters;
    private readonly PacketCoalescer _coalescer;
    private readonly PinnedRegion _slots = PinnedRegion.Allocate(BatchPackets * SlotBytes, preferHugePages: false);
    private readonly byte[] _frame = new byte[TunQueue.MaximumFrameBytes];
    private readonly List<IPAddress> _addresses = [];
    private Thread? _reader;
    private volatile bool _stop;

    private TunnelDevice(TunDevice device, RouteNetlink netlink, ClientCounters counters)
    {
        _device = device;
        _netlink = netlink;
        _counters = counters;
        _queue = device.Queues[0];
        _coalescer = new PacketCoalescer(BatchPackets, device.Offload.HasFlag(TunOffload.UdpV4));
    }

    public string Name => _device.Name;

    /// <param name="name">At most 15 bytes; %d becomes a number.</param>
    /// <param name="space">Where it is made; null: here. Used during the call only.</param>
    /// <param name="counters">Gets what the device refuses.</param>
    /// <exception cref="NativeException">No privilege, no driver, name taken.</exception>
    public static TunnelDevice Open(string name, NetworkNamespace? space, ClientCounters counters)
    {
        TunnelDevice Make()
        {
            TunDevice device = TunDevice.Open(new TunOptions { Name = name });
            try
            {
                return new TunnelDevice(device, new RouteNetlink(), counters);
            }
            catch
            {
                device.Dispose();
                throw;
            }
        }

        return space is null ? Make() : space.Run(Make);
    }

    /// <summary>
    /// Gives the device the tunnel's addresses and size and sets it up; called again it takes the earlier addresses away.
    /// </summary>
    /// <param name="state">Up.</param>
    /// <param name="routes">Networks that lie behind the tunnel; those of a family without an address are left out.</param>
    /// <returns>What could not be set and is not needed by the rest.</returns>
    /// <exception cref="NativeException">The kernel refuses.</exception>
    public IReadOnlyList<string> Configure(TunnelState state, IEnumerable<IPNetwork> routes)
    {
        int index = _device.InterfaceIndex;
        var failures = new List<string>();
        _netlink.SetMtu(index, state.Mtu);
        _netlink.SetUp(index, up: true);
        bool ipv6 = state.HasIPv6;
        var wanted = new List<IPAddress>();
        if (state.HasIPv4)
        {
            _netlink.AddAddress(index, state.IPv4, 32);
            wanted.Add(state.IPv4);
        }

        if (ipv6)
        {
            try
            {
                _netlink.AddAddress(index, state.IPv6, 128);
                wanted.Add(state.IPv6);
            }
            catch (NativeException e) when (state.HasIPv4)
            {
                // A host without IPv6 still has the other half of the tunnel.
                ipv6 = false;
                failures.Add($"no IPv6 on {Name}: {e.Message}");
            }
        }

        // The new ones first: the kernel takes a family's routes away with its last address.
        foreach (IPAddress old in _addresses.Except(wanted).ToArray())
            _netlink.DeleteAddress(index, old, old.GetAddressBytes().Length * 8);
        _addresses.Clear();
        _addresses.AddRange(wanted);
        foreach (IPNetwork route in routes)
        {
            if (route.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? ipv6 : state.HasIPv4)
                _netlink.AddRoute(route, index);
        }

        return failures;
    }

    /// <summary>Programs in a namespace of their own expect 127.0.0.1 to work.</summary>
    public void SetLoopbackUp()
    {
        if (_netlink.FindLink("lo") is { IsUp: false } loopback)
            _netlink.SetUp(loopback.Index, up: true);
    }

    public void StartReading(PacketTaker taker)
    {
        _reader = new Thread(() => Read(taker)) { IsBackground = true, Name = "tun" };
        _reader.Start();
    }

    public void Write(ReadOnlySpan<byte> packet)
    {
        if (packet.Length > SlotBytes)
        {
            Flush();
            _frame.AsSpan(0, VirtioNetHeader.Bytes).Clear();
            packet.CopyTo(_frame.AsSpan(VirtioNetHeader.Bytes));
            Put(_frame.AsSpan(0, VirtioNetHeader.Bytes + packet.Length), 1);
            return;
        }

        long slot = (long)_coalescer.Packets * SlotBytes;
        packet.CopyTo(_slots.Slice(slot, SlotBytes));
        _coalescer.Add(_slots, slot, packet.Length);
        if (_coalescer.Packets == BatchPackets)
            Flush();
    }

    public void Flush()
    {
        if (_coalescer.Packets == 0)
            return;
        for (int frame = 0; frame < _coalescer.Frames; frame++)
        {
            int bytes = _coalescer.Copy(frame, _frame);
            Put(_frame.AsSpan(0, bytes), _coalescer.PacketsIn(frame));
        }

        _coalescer.Clear();
    }

    /// <summary>After everybody who writes.</summary>
    public void Dispose()
    {
        _stop = true;
        _reader?.Join();
        _device.Dispose();
        _netlink.Dispose();
        _coalescer.Dispose();
        _slots.Dispose();
    }

    private void Put(ReadOnlySpan<byte> frame, int packets)
    {
        if (_queue.Write(frame) < 0)
            _counters.Add(ClientCounter.IpPacketsDropped, packets);
    }

    private void Read(PacketTaker taker)
    {
        byte[] frame = new byte[TunQueue.MaximumFrameBytes];
        byte[] packet = new byte[ushort.MaxValue];
        while (!_stop)
        {
            if (!_queue.WaitReadable(s_patience))
                continue;
            int bytes = _queue.Read(frame);
            if (bytes is -Errno.EAGAIN or -Errno.EINTR)
                continue;
            if (bytes < 0)
            {
                // Somebody deleted the device: the tunnel goes on without it until it is stopped.
                CommandText.Log($"reading {Name}: {Errno.Name(-bytes)}; the device is gone, stop and start again");
                return;
            }

            if (!PacketSegmenter.TryOpen(frame.AsSpan(0, bytes), out PacketSegmenter segmenter))
            {
                _counters.Increment(ClientCounter.IpPacketsRefused);
                continue;
            }

            while (segmenter.TryNext(packet, out int length))
                taker(packet.AsSpan(0, length));
        }
    }
}
