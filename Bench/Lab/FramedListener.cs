using System.Net;
using System.Net.Sockets;
using FastExit.Crypto.Noise;
using FastExit.MixLink;
using Microsoft.Extensions.ObjectPool;

namespace FastExit.Bench.Lab;

/// <summary>
/// A node's mix listener: accepts connections and cuts their byte streams into framed packets (mix-link.md §1.3). A framing error closes
/// the connection it came on, nothing else. With a key of its own it speaks Noise with those that begin so.
/// </summary>
internal sealed class FramedListener : IDisposable
{
    private const int MaximumConnections = 256;
    private static readonly TimeSpan s_handshakeTimeout = TimeSpan.FromSeconds(1.5);

    // Connections come and go; their buffers are too large to be made anew each time.
    private readonly DefaultObjectPool<FrameReader> _readers = new(new DefaultPooledObjectPolicy<FrameReader>(), MaximumConnections);
    private readonly Socket _socket;
    private readonly Action<MixPacket> _receive;
    private readonly LabNoise? _noise;
    private readonly CancellationTokenSource _stop = new();
    private int _connections;
    private long _malformed;

    /// <exception cref="SocketException">The address is taken.</exception>
    public FramedListener(IPEndPoint address, Action<MixPacket> receive, LabNoise? noise = null)
    {
        _noise = noise;
        _receive = receive;
        _socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            _socket.Bind(address);
            _socket.Listen(128);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }

        Address = (IPEndPoint)_socket.LocalEndPoint!;
    }

    public IPEndPoint Address { get; }

    /// <summary>Connections that were closed because of their framing.</summary>
    public long Malformed => Volatile.Read(ref _malformed);

    public void Start() => _ = Task.Run(AcceptAsync);

    public void Dispose()
    {
        _stop.Cancel();
        _socket.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket peer = await _socket.AcceptAsync(_stop.Token).ConfigureAwait(false);
                if (Interlocked.Increment(ref _connections) > MaximumConnections)
                {
                    Interlocked.Decrement(ref _connections);
                    peer.Dispose();
                    continue;
                }

                peer.NoDelay = true;
                _ = ReadAsync(peer);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // A connection that died in the backlog, or no descriptors: others may still come.
                await Task.Delay(50).ConfigureAwait(false);
            }
        }
    }

    private async Task ReadAsync(Socket peer)
    {
        FrameReader reader = _readers.Get();
        try
        {
            while (true)
            {
                int received = await peer.ReceiveAsync(reader.Free, SocketFlags.None, _stop.Token).ConfigureAwait(false);
                if (received == 0)
                    return;
                if (_noise is not null && reader.TryTakeRecord(received, out byte[] begin))
                {
                    await ReadRecordsAsync(peer, _noise, begin, reader).ConfigureAwait(false);
                    return;
                }

                if (!reader.Received(received, _receive))
                {
                    Interlocked.Increment(ref _malformed);
                    return;
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The peer is gone or we stop: its unfinished frame goes with it.
        }
        finally
        {
            _readers.Return(reader);
            peer.Dispose();
            Interlocked.Decrement(ref _connections);
        }
    }

    private async Task ReadRecordsAsync(Socket peer, LabNoise noise, byte[] begin, FrameReader reader)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        timeout.CancelAfter(s_handshakeTimeout);
        NoiseStream? stream = await NoiseStream.AcceptAsync(peer, noise.Identity, begin, timeout.Token).ConfigureAwait(false);
        while (stream is not null)
        {
            int received = await stream.ReceiveAsync(reader.Free, _stop.Token).ConfigureAwait(false);
            if (received == 0)
                return;
            if (received < 0 || !reader.Received(received, _receive))
                break;
        }

        Interlocked.Increment(ref _malformed);
    }
}

/// <summary>Cuts a byte stream into framed packets; holds one read's worth of bytes and at least one whole frame.</summary>
internal sealed class FrameReader : IResettable
{
    private const int BufferBytes = 128 << 10;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _start;
    private int _end;
    private bool _hasBegun;

    /// <summary>Where the next bytes of the stream go.</summary>
    public Memory<byte> Free
    {
        get
        {
            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                _end -= _start;
                _start = 0;
            }

            return _buffer.AsMemory(_end);
        }
    }

    /// <summary>Forgets what is left of one stream, for the next.</summary>
    public bool TryReset()
    {
        _start = _end = 0;
        _hasBegun = false;
        return true;
    }

    /// <summary>Whether the stream begins with a Noise record: then the bytes so far are the caller's, and frames come decrypted.</summary>
    public bool TryTakeRecord(int bytes, out byte[] begin)
    {
        bool begins = !_hasBegun && _buffer[_start] == NoiseRecord.Version;
        _hasBegun = true;
        begin = begins ? _buffer[_start..(_start + bytes)] : [];
        return begins;
    }

    /// <returns>False: the stream is not a sequence of frames.</returns>
    public bool Received(int bytes, Action<MixPacket> packet)
    {
        _end += bytes;
        while (true)
        {
            ReadOnlySpan<byte> stream = _buffer.AsSpan(_start, _end - _start);
            FrameStatus status = FrameHeader.TryRead(stream, out FrameHeader header);
            if (status == FrameStatus.Incomplete)
                return true;
            if (status != FrameStatus.Ok)
                return false;
            if (stream.Length < header.Bytes + header.PacketBytes)
                return true;
            packet(MixPacket.Copy(stream.Slice(header.Bytes, header.PacketBytes), header.Size, header.Rotation));
            _start += header.Bytes + header.PacketBytes;
        }
    }
}
