using System.Runtime.InteropServices;

namespace FastExit.Bench.Lab.Entry;

/// <summary>What came: a text or binary message, or <see cref="WebSocketOpcode.Close"/> when nothing comes any more.</summary>
internal readonly record struct WebSocketMessage(WebSocketOpcode Kind, Memory<byte> Bytes);

/// <summary>
/// One side of a websocket (RFC 6455) over a connected stream. Messages that wait together go out in one write; pings are answered; what
/// breaks the protocol, or a message over the limit, closes this connection. One reader; writers take turns by <see cref="EnterAsync"/>.
/// </summary>
internal sealed class WebSocketChannel : IDisposable
{
    /// <summary>The largest packet with its frame, its JSON relatives, and room.</summary>
    public const int LargestMessageBytes = 64 << 10;

    private const int BufferBytes = 4 * LargestMessageBytes;
    private const ushort ProtocolError = 1002;
    private const ushort TooLarge = 1009;
    private static readonly TimeSpan s_closePatience = TimeSpan.FromSeconds(1);
    private readonly Stream _stream;
    private readonly bool _client;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly byte[] _incoming = new byte[BufferBytes];
    private readonly byte[] _outgoing = new byte[BufferBytes];
    private byte[]? _parts;
    private int _partsBytes;
    private WebSocketOpcode _partsKind;
    private int _start;
    private int _end;
    private int _filled;
    private int _frameStart;
    private uint _frameMask;
    private long _lastReceived = Environment.TickCount64;
    private long _frames;
    private volatile bool _over;
    private long _writingSince;
    private int _closeSent;

    /// <param name="stream">Upgraded; this disposes of it.</param>
    /// <param name="client">Clients mask what they send, servers do not.</param>
    /// <param name="received">What came behind the upgrade.</param>
    public WebSocketChannel(Stream stream, bool client, ReadOnlySpan<byte> received = default)
    {
        _stream = stream;
        _client = client;
        received.CopyTo(_incoming);
        _end = received.Length;
    }

    /// <summary>When anything came last, on the clock of <see cref="Environment.TickCount64"/>.</summary>
    public long LastReceived => Volatile.Read(ref _lastReceived);

    /// <summary>How long the write that is going on has taken; zero: there is none.</summary>
    public TimeSpan WriteStall =>
        Volatile.Read(ref _writingSince) is var since and > 0 ? TimeSpan.FromMilliseconds(Environment.TickCount64 - since) : TimeSpan.Zero;

    /// <summary>The next message; its bytes are the caller's until the next call.</summary>
    /// <exception cref="IOException">The connection broke.</exception>
    public async ValueTask<WebSocketMessage> ReceiveAsync(CancellationToken stop)
    {
        while (true)
        {
            switch (Take(out WebSocketFrame frame, out Memory<byte> payload))
            {
                case WebSocketFrameStatus.Malformed:
                    await CloseAsync(frame.PayloadBytes > LargestMessageBytes ? TooLarge : ProtocolError).ConfigureAwait(false);
                    return new WebSocketMessage(WebSocketOpcode.Close, default);
                case WebSocketFrameStatus.Incomplete:
                    if (await FillAsync(stop).ConfigureAwait(false))
                        break;
                    return new WebSocketMessage(WebSocketOpcode.Close, default);
                case WebSocketFrameStatus.Ok when frame.Opcode == WebSocketOpcode.Ping:
                    await SendAsync(WebSocketOpcode.Pong, payload, stop).ConfigureAwait(false);
                    break;
                case WebSocketFrameStatus.Ok when frame.Opcode == WebSocketOpcode.Pong:
                    break;
                case WebSocketFrameStatus.Ok when frame.Opcode == WebSocketOpcode.Close:
                    await CloseAsync(Answered(payload.Span)).ConfigureAwait(false);
                    return new WebSocketMessage(WebSocketOpcode.Close, default);
                default:
                    if (Message(frame, payload, out WebSocketMessage message))
                        return message;
                    break;
            }
        }
    }

    public async ValueTask SendAsync(WebSocketOpcode opcode, ReadOnlyMemory<byte> payload, CancellationToken stop)
    {
        await EnterAsync(stop).ConfigureAwait(false);
        try
        {
            if (TryBegin(opcode, payload.Length, out Span<byte> destination))
            {
                payload.Span.CopyTo(destination);
                End();
            }

            await FlushAsync(stop).ConfigureAwait(false);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>From here to <see cref="Leave"/> nobody else writes.</summary>
    public Task EnterAsync(CancellationToken stop) => _turn.WaitAsync(stop);

    public void Leave() => _turn.Release();

    /// <summary>Room for one message's payload, to be filled before <see cref="End"/>; false: flush first.</summary>
    public bool TryBegin(WebSocketOpcode opcode, int payloadBytes, out Span<byte> payload)
    {
        if (_outgoing.Length - _filled < WebSocketFrame.LargestHeaderBytes + payloadBytes)
        {
            payload = default;
            return false;
        }

        _frameMask = 0;
        while (_client && _frameMask == 0)
            RandomStock.Fill(MemoryMarshal.AsBytes(new Span<uint>(ref _frameMask)));
        _frameStart = _filled + WebSocketFrame.Write(_outgoing.AsSpan(_filled), opcode, payloadBytes, _frameMask);
        _filled = _frameStart + payloadBytes;
        payload = _outgoing.AsSpan(_frameStart, payloadBytes);
        return true;
    }

    public void End() => WebSocketFrame.ApplyMask(_outgoing.AsSpan(_frameStart, _filled - _frameStart), _frameMask);

    /// <summary>Writes what was put in since the last time.</summary>
    public async ValueTask FlushAsync(CancellationToken stop)
    {
        int bytes = _filled;
        _filled = 0;
        if (bytes == 0)
            return;
        Volatile.Write(ref _writingSince, Math.Max(1, Environment.TickCount64));
        await _stream.WriteAsync(_outgoing.AsMemory(0, bytes), stop).ConfigureAwait(false);
        await _stream.FlushAsync(stop).ConfigureAwait(false);
        Volatile.Write(ref _writingSince, 0);
    }

    /// <summary>Says goodbye once, as far as the other side takes it; the stream stays open for its answer.</summary>
    /// <param name="code">RFC 6455 §7.4; 0: none.</param>
    public async ValueTask CloseAsync(ushort code)
    {
        if (Interlocked.Exchange(ref _closeSent, 1) != 0)
            return;
        using var patience = new CancellationTokenSource(s_closePatience);
        try
        {
            byte[] reason = code == 0 ? [] : [(byte)(code >> 8), (byte)code];
            await SendAsync(WebSocketOpcode.Close, reason, patience.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // Gone already.
        }
    }

    /// <summary>Whether the other side shows a sign of life within <paramref name="patience"/> of a ping; a goodbye is none.</summary>
    public async Task<bool> AnswersAsync(TimeSpan patience)
    {
        using var stop = new CancellationTokenSource(patience);
        long before = Volatile.Read(ref _frames);
        try
        {
            await SendAsync(WebSocketOpcode.Ping, new byte[] { 1 }, stop.Token).ConfigureAwait(false);
            while (!_over && Volatile.Read(ref _frames) == before)
                await Task.Delay(10, stop.Token).ConfigureAwait(false);
            return !_over;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Both loops of its owner fail from now on.</summary>
    public void Dispose()
    {
        _over = true;
        _stream.Dispose();
    }

    // The code comes back, unless it is one that may not be sent (RFC 6455 §7.4).
    private static ushort Answered(ReadOnlySpan<byte> reason)
    {
        int code = reason.Length >= 2 ? (reason[0] << 8) | reason[1] : 0;
        return code is (>= 1000 and <= 1003) or (>= 1007 and <= 1014) or (>= 3000 and <= 4999) ? (ushort)code : (ushort)0;
    }

    private WebSocketFrameStatus Take(out WebSocketFrame frame, out Memory<byte> payload)
    {
        payload = default;
        WebSocketFrameStatus status = WebSocketFrame.TryRead(_incoming.AsSpan(_start, _end - _start), out frame);
        if (status != WebSocketFrameStatus.Ok)
            return status;
        bool begins = frame.Opcode is WebSocketOpcode.Text or WebSocketOpcode.Binary;
        if (frame.Masked == _client || frame.PayloadBytes > LargestMessageBytes
            || (begins && _partsKind != 0)
            || (frame.Opcode == WebSocketOpcode.Continuation && (_partsKind == 0 || _partsBytes + frame.PayloadBytes > LargestMessageBytes)))
            return WebSocketFrameStatus.Malformed;
        if (_end - _start < frame.HeaderBytes + frame.PayloadBytes)
            return WebSocketFrameStatus.Incomplete;
        payload = _incoming.AsMemory(_start + frame.HeaderBytes, (int)frame.PayloadBytes);
        WebSocketFrame.ApplyMask(payload.Span, frame.Mask);
        _start += frame.HeaderBytes + (int)frame.PayloadBytes;
        if (frame.Opcode == WebSocketOpcode.Close)
            _over = true;
        else
            Volatile.Write(ref _frames, _frames + 1);
        return WebSocketFrameStatus.Ok;
    }

    /// <summary>Whole messages are handed on where they lie; only what comes in parts is put together elsewhere.</summary>
    private bool Message(in WebSocketFrame frame, Memory<byte> payload, out WebSocketMessage message)
    {
        message = new WebSocketMessage(frame.Opcode, payload);
        if (frame.Final && frame.Opcode != WebSocketOpcode.Continuation)
            return true;
        _parts ??= new byte[LargestMessageBytes];
        if (frame.Opcode != WebSocketOpcode.Continuation)
        {
            _partsKind = frame.Opcode;
            _partsBytes = 0;
        }

        payload.CopyTo(_parts.AsMemory(_partsBytes));
        _partsBytes += payload.Length;
        if (!frame.Final)
            return false;
        message = new WebSocketMessage(_partsKind, _parts.AsMemory(0, _partsBytes));
        _partsKind = 0;
        return true;
    }

    private async ValueTask<bool> FillAsync(CancellationToken stop)
    {
        if (_start > 0)
        {
            _incoming.AsSpan(_start, _end - _start).CopyTo(_incoming);
            _end -= _start;
            _start = 0;
        }

        int received = await _stream.ReadAsync(_incoming.AsMemory(_end), stop).ConfigureAwait(false);
        _end += received;
        Volatile.Write(ref _lastReceived, Environment.TickCount64);
        _over |= received == 0;
        return received > 0;
    }
}
