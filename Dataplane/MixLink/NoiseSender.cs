using FastExit.Crypto.Noise;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;

namespace FastExit.MixLink;

/// <summary>
/// The sending side of one encrypted link: its handshake as initiator, then its records. Packets are encrypted where they lie, and
/// brought back by the same key stream when their connection broke before they left. Made for a peer, used by its connections one after
/// the other.
/// </summary>
internal sealed class NoiseSender : IDisposable
{
    private const int MessageOffset = 0;
    private const int HeaderOffset = 128;
    private const int TagOffset = HeaderOffset + NoiseRecord.HeaderBytes;
    private const int AnswerBytes = NoiseRecord.HeaderBytes + NoiseHandshake.SecondBytes;

    private readonly NoiseHandshake _handshake = new();
    private readonly AesGcmStream _cipher = new();
    private readonly PinnedRegion _region = PinnedRegion.Allocate(256, preferHugePages: false);
    private readonly byte[] _answer = new byte[AnswerBytes];
    private int _answered;
    private int _recordBytes;
    private ulong _nonce;

    /// <summary>Data may be sent.</summary>
    public bool IsReady { get; private set; }

    /// <summary>Bytes of the answer that are still to come.</summary>
    public int Awaited => AnswerBytes - _answered;

    /// <summary>Where the handshake's records lie.</summary>
    public PinnedRegion Region => _region;

    /// <summary>Writes the first record; 0: the peer's key is none.</summary>
    public int Start(NoiseIdentity identity, ReadOnlySpan<byte> responder)
    {
        identity.Initiate(_handshake, responder);
        _answered = 0;
        _nonce = 0;
        IsReady = false;
        return WriteMessage();
    }

    /// <summary>Takes bytes of the answer; false: it is wrong.</summary>
    public bool TryTake(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > Awaited)
            return false;
        bytes.CopyTo(_answer.AsSpan(_answered));
        _answered += bytes.Length;
        NoiseRecordStatus status = NoiseRecord.TryRead(_answer.AsSpan(0, _answered), out NoiseRecord record);
        if (status == NoiseRecordStatus.Incomplete)
            return true;
        return status == NoiseRecordStatus.Ok && record == new NoiseRecord(NoiseRecordType.Handshake, NoiseHandshake.SecondBytes)
            && (Awaited > 0 || _handshake.TryRead(_answer.AsSpan(NoiseRecord.HeaderBytes), default, out _));
    }

    /// <summary>Writes the last record; 0: it cannot be. Data may follow it.</summary>
    public int Finish()
    {
        int bytes = WriteMessage();
        if (bytes == 0)
            return 0;
        _handshake.Split(_cipher, null);
        IsReady = true;
        return bytes;
    }

    /// <summary>The connection is over.</summary>
    public void End()
    {
        IsReady = false;
        _handshake.Clear();
        _cipher.Clear();
    }

    public void BeginRecord(GatherList list)
    {
        list.TryAdd(_region, HeaderOffset, NoiseRecord.HeaderBytes);
        _recordBytes = 0;
        _cipher.Begin(_nonce++, default);
    }

    public void Encrypt(Span<byte> frame)
    {
        _recordBytes += frame.Length;
        _cipher.Encrypt(frame, frame);
    }

    public void EndRecord(GatherList list)
    {
        _cipher.Finish(_region.Slice(TagOffset, AesGcmStream.TagBytes));
        new NoiseRecord(NoiseRecordType.Data, _recordBytes + AesGcmStream.TagBytes).Write(_region.Slice(HeaderOffset, NoiseRecord.HeaderBytes));
        list.TryAdd(_region, TagOffset, AesGcmStream.TagBytes);
    }

    /// <summary>The frames of the record made last follow, in their order, to <see cref="Recover"/>.</summary>
    public void BeginRecovery() => _cipher.Begin(_nonce - 1, default);

    /// <summary>Plaintext again, in place.</summary>
    public void Recover(Span<byte> frame) => _cipher.Decrypt(frame, frame);

    public void Dispose()
    {
        End();
        _region.Dispose();
    }

    private int WriteMessage()
    {
        Span<byte> record = _region.Slice(MessageOffset, HeaderOffset);
        if (!_handshake.TryWrite(default, record[NoiseRecord.HeaderBytes..], out int written))
            return 0;
        new NoiseRecord(NoiseRecordType.Handshake, written).Write(record);
        return NoiseRecord.HeaderBytes + written;
    }
}
