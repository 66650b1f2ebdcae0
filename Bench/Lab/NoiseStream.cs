using System.Net;
using System.Net.Sockets;
using FastExit.Crypto.Noise;
using FastExit.MixLink;

namespace FastExit.Bench.Lab;

/// <summary>How a lab node speaks Noise: its own key, and those of its peers by their mix address (null: that link is plain).</summary>
internal sealed record LabNoise(NoiseIdentity Identity, Func<IPEndPoint, byte[]?> KeyOf);

/// <summary>One side of an encrypted mix link over a socket (mix-link.md §2): an initiator writes, a responder reads.</summary>
internal sealed class NoiseStream
{
    private const int HeaderBytes = NoiseRecord.HeaderBytes;
    private readonly Socket _socket;
    private readonly AesGcmStream _cipher = new();
    private readonly byte[] _buffer = new byte[HeaderBytes + ushort.MaxValue];
    private ulong _nonce;

    private NoiseStream(Socket socket) => _socket = socket;

    /// <summary>Null: the other side is not who the key says, or ended the connection.</summary>
    public static async Task<NoiseStream?> ConnectAsync(Socket socket, NoiseIdentity identity, byte[] responder, CancellationToken stop)
    {
        var stream = new NoiseStream(socket);
        var handshake = new NoiseHandshake();
        identity.Initiate(handshake, responder);
        if (!await stream.WriteAsync(handshake, stop).ConfigureAwait(false)
            || !await stream.ReadAsync(handshake, NoiseHandshake.SecondBytes, default, stop).ConfigureAwait(false)
            || !await stream.WriteAsync(handshake, stop).ConfigureAwait(false))
            return null;
        handshake.Split(stream._cipher, null);
        return stream;
    }

    /// <summary>As responder; <paramref name="begin"/> was read already. Null: no handshake, or a wrong one.</summary>
    public static async Task<NoiseStream?> AcceptAsync(
        Socket socket, NoiseIdentity identity, ReadOnlyMemory<byte> begin, CancellationToken stop)
    {
        var stream = new NoiseStream(socket);
        var handshake = new NoiseHandshake();
        identity.Respond(handshake);
        if (begin.Length > HeaderBytes + NoiseHandshake.FirstBytes
            || !await stream.ReadAsync(handshake, NoiseHandshake.FirstBytes, begin, stop).ConfigureAwait(false)
            || !await stream.WriteAsync(handshake, stop).ConfigureAwait(false)
            || !await stream.ReadAsync(handshake, NoiseHandshake.ThirdBytes, default, stop).ConfigureAwait(false))
            return null;
        handshake.Split(stream._cipher, null);
        return stream;
    }

    /// <summary>Sends bytes of the stream in as few records as can be.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken stop)
    {
        while (!bytes.IsEmpty)
        {
            int taken = Math.Min(bytes.Length, NoiseRecord.MaximumDataBytes);
            ReadOnlyMemory<byte> record = Seal(bytes.Span[..taken]);
            bytes = bytes[taken..];
            while (!record.IsEmpty)
                record = record[await _socket.SendAsync(record, SocketFlags.None, stop).ConfigureAwait(false)..];
        }
    }

    /// <summary>One record's bytes of the stream, at most 65,519; 0: the stream ended well. Negative: it is not a sequence of genuine records.</summary>
    public async Task<int> ReceiveAsync(Memory<byte> destination, CancellationToken stop)
    {
        while (true)
        {
            int got = await FillAsync(0, HeaderBytes, stop).ConfigureAwait(false);
            if (got < HeaderBytes)
                return got == 0 ? 0 : -1;
            if (NoiseRecord.TryRead(_buffer.AsSpan(0, HeaderBytes), out NoiseRecord record) != NoiseRecordStatus.Ok
                || record.Type != NoiseRecordType.Data
                || await FillAsync(0, record.MessageBytes, stop).ConfigureAwait(false) < record.MessageBytes
                || !TryOpen(record.MessageBytes, destination.Span, out int bytes))
                return -1;
            if (bytes > 0)
                return bytes;
        }
    }

    private ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> plaintext)
    {
        new NoiseRecord(NoiseRecordType.Data, plaintext.Length + AesGcmStream.TagBytes).Write(_buffer);
        _cipher.Begin(_nonce++, default);
        _cipher.Encrypt(plaintext, _buffer.AsSpan(HeaderBytes));
        _cipher.Finish(_buffer.AsSpan(HeaderBytes + plaintext.Length));
        return _buffer.AsMemory(0, plaintext.Length + NoiseRecord.OverheadBytes);
    }

    private bool TryOpen(int messageBytes, Span<byte> destination, out int bytes)
    {
        bytes = messageBytes - AesGcmStream.TagBytes;
        _cipher.Begin(_nonce++, default);
        _cipher.Decrypt(_buffer.AsSpan(0, bytes), destination);
        return _cipher.Verify(_buffer.AsSpan(bytes, AesGcmStream.TagBytes));
    }

    private async Task<bool> WriteAsync(NoiseHandshake handshake, CancellationToken stop)
    {
        if (!handshake.TryWrite(default, _buffer.AsSpan(HeaderBytes), out int written))
            return false;
        new NoiseRecord(NoiseRecordType.Handshake, written).Write(_buffer);
        ReadOnlyMemory<byte> record = _buffer.AsMemory(0, HeaderBytes + written);
        while (!record.IsEmpty)
            record = record[await _socket.SendAsync(record, SocketFlags.None, stop).ConfigureAwait(false)..];
        return true;
    }

    private async Task<bool> ReadAsync(NoiseHandshake handshake, int messageBytes, ReadOnlyMemory<byte> begin, CancellationToken stop)
    {
        begin.CopyTo(_buffer);
        int bytes = HeaderBytes + messageBytes;
        return await FillAsync(begin.Length, bytes, stop).ConfigureAwait(false) == bytes
            && NoiseRecord.TryRead(_buffer.AsSpan(0, HeaderBytes), out NoiseRecord record) == NoiseRecordStatus.Ok
            && record == new NoiseRecord(NoiseRecordType.Handshake, messageBytes)
            && handshake.TryRead(_buffer.AsSpan(HeaderBytes, messageBytes), default, out _);
    }

    private async Task<int> FillAsync(int have, int bytes, CancellationToken stop)
    {
        while (have < bytes)
        {
            int got = await _socket.ReceiveAsync(_buffer.AsMemory(have, bytes - have), SocketFlags.None, stop).ConfigureAwait(false);
            if (got == 0)
                break;
            have += got;
        }

        return have;
    }
}
