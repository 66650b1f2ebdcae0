using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using FastExit.MixLink;

namespace FastExit.Bench.Lab;

/// <summary>
/// A node's outgoing side: one connection per peer address, made when the first packet for it comes (mix-link.md §4). Queues are bounded,
/// packets that waited too long are dropped, a lost connection is made again.
/// Peers with a Noise key get encrypted records.
/// </summary>
internal sealed class FramedEgress(LabNoise? noise = null) : IDisposable
{
    private const int MaximumPeers = 256;
    private readonly ConcurrentDictionary<IPEndPoint, EgressPeer> _peers = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly LabNoise? _noise = noise;
    private long _dropped;

    /// <summary>Packets that no peer got: queue full, expired, connection lost.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    public void Send(IPEndPoint address, MixPacket packet)
    {
        if (!_peers.TryGetValue(address, out EgressPeer? peer))
        {
            if (_peers.Count >= MaximumPeers || _stop.IsCancellationRequested)
            {
                CountDrop(packet);
                return;
            }

            peer = _peers.GetOrAdd(address, key => new EgressPeer(key, this));
        }

        peer.Send(packet);
    }

    public void Dispose() => _stop.Cancel();

    private void CountDrop(MixPacket packet)
    {
        Interlocked.Increment(ref _dropped);
        packet.Return();
    }

    private sealed class EgressPeer
    {
        private const int QueuePackets = 4096;
        private const int WriteBytes = 64 << 10;
        private static readonly TimeSpan s_expiry = TimeSpan.FromSeconds(5);
        private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(1.5);
        private static readonly TimeSpan s_maximumBackoff = TimeSpan.FromSeconds(1);
        private readonly IPEndPoint _address;
        private readonly FramedEgress _owner;
        private readonly Channel<(MixPacket Packet, long Created)> _queue;

        public EgressPeer(IPEndPoint address, FramedEgress owner)
        {
            _address = address;
            _owner = owner;
            _queue = Channel.CreateBounded<(MixPacket, long)>(
                new BoundedChannelOptions(QueuePackets) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
            _ = Task.Run(WriteAsync);
        }

        public void Send(MixPacket packet)
        {
            if (!_queue.Writer.TryWrite((packet, Environment.TickCount64)))
                _owner.CountDrop(packet);
        }

        private async Task WriteAsync()
        {
            byte[] buffer = new byte[WriteBytes + FrameHeader.MaximumBytes + (33 << 10)];
            Socket? socket = null;
            NoiseStream? noise = null;
            TimeSpan backoff = TimeSpan.Zero;
            CancellationToken stop = _owner._stop.Token;
            try
            {
                while (await _queue.Reader.WaitToReadAsync(stop).ConfigureAwait(false))
                {
                    if (socket is not null && Closed(socket))
                    {
                        socket.Dispose();
                        socket = null;
                    }

                    if (socket is null)
                        (socket, noise) = await ConnectAsync(stop).ConfigureAwait(false);
                    if (socket is null)
                    {
                        backoff = backoff == TimeSpan.Zero ? TimeSpan.FromMilliseconds(50) : Min(backoff * 2, s_maximumBackoff);
                        await Task.Delay(backoff, stop).ConfigureAwait(false);
                        DropExpired();
                        continue;
                    }

                    backoff = TimeSpan.Zero;
                    int bytes = Fill(buffer);
                    if (bytes > 0 && !await TryWriteAsync(socket, noise, buffer.AsMemory(0, bytes), stop).ConfigureAwait(false))
                    {
                        socket.Dispose();
                        socket = null;
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // Stopping: what is queued is lost, as when a node stops.
            }
            finally
            {
                socket?.Dispose();
            }
        }

        private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

        // The other side never sends: a readable socket is a closed one.
        private static bool Closed(Socket socket) => socket.Poll(0, SelectMode.SelectRead);

        private static async Task<bool> TryWriteAsync(Socket socket, NoiseStream? noise, ReadOnlyMemory<byte> bytes, CancellationToken stop)
        {
            try
            {
                if (noise is not null)
                {
                    await noise.SendAsync(bytes, stop).ConfigureAwait(false);
                    return true;
                }

                while (!bytes.IsEmpty)
                    bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, stop).ConfigureAwait(false)..];
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }

        private int Fill(byte[] buffer)
        {
            int bytes = 0;
            while (bytes < WriteBytes && _queue.Reader.TryRead(out (MixPacket Packet, long Created) next))
            {
                MixPacket packet = next.Packet;
                if (Expired(next.Created))
                {
                    _owner.CountDrop(packet);
                    continue;
                }

                byte version = packet.Rotation == Crypto.EndToEnd.KeyRotation.Unknown
                    ? FrameHeader.LegacyVersion
                    : FrameHeader.KeyRotationVersion;
                var header = new FrameHeader(version, packet.Size, packet.Rotation);
                header.Write(buffer.AsSpan(bytes));
                packet.Span.CopyTo(buffer.AsSpan(bytes + header.Bytes));
                bytes += header.Bytes + packet.Bytes;
                packet.Return();
            }

            return bytes;
        }

        private static bool Expired(long created) => Environment.TickCount64 - created > (long)s_expiry.TotalMilliseconds;

        private void DropExpired()
        {
            while (_queue.Reader.TryPeek(out (MixPacket Packet, long Created) next) && Expired(next.Created)
                && _queue.Reader.TryRead(out next))
                _owner.CountDrop(next.Packet);
        }

        private async Task<(Socket? Socket, NoiseStream? Noise)> ConnectAsync(CancellationToken stop)
        {
            var socket = new Socket(_address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stop);
            timeout.CancelAfter(s_connectTimeout);
            try
            {
                await socket.ConnectAsync(_address, timeout.Token).ConfigureAwait(false);
                if (_owner._noise?.KeyOf(_address) is not { } key)
                    return (socket, null);
                if (await NoiseStream.ConnectAsync(socket, _owner._noise.Identity, key, timeout.Token).ConfigureAwait(false) is { } noise)
                    return (socket, noise);
                socket.Dispose();
                return default;
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                socket.Dispose();
                stop.ThrowIfCancellationRequested();
                return default;
            }
        }
    }
}
