using System.Runtime.CompilerServices;
using FastExit.Crypto.Noise;

namespace FastExit.MixLink;

/// <summary>
/// The receiving side of one encrypted link: where its stream of records stands. Made for a connection, then used by one after the
/// other.
/// </summary>
internal sealed class NoiseReceiver
{
    // A header, and behind it the longest handshake message that has its right length.
    private const int PartBytes = NoiseRecord.HeaderBytes + NoiseHandshake.ThirdBytes;

    private readonly NoiseHandshake _handshake = new();
    private readonly AesGcmStream _cipher = new();
    private Part _part;
    private int _partBytes;
    private int _partNeeded;
    private ulong _nonce;

    /// <summary>The ciphertext that comes next goes through it.</summary>
    public AesGcmStream Cipher => _cipher;

    public NoiseHandshake Handshake => _handshake;

    public NoiseReceiverState State { get; private set; }

    /// <summary>Bytes of ciphertext that are still to come in this record.</summary>
    public int DataBytes { get; private set; }

    /// <summary>Something of a record is there, and not all of it.</summary>
    public bool IsInRecord => _partBytes > 0 || State is NoiseReceiverState.Data or NoiseReceiverState.Tag;

    public void Start(NoiseIdentity identity)
    {
        identity.Respond(_handshake);
        _nonce = 0;
        NextHeader();
    }

    /// <summary>Keys of the link that is over are forgotten.</summary>
    public void End()
    {
        _handshake.Clear();
        _cipher.Clear();
    }

    /// <summary>
    /// Takes what belongs to the header, the handshake message or the tag that is due. True: it is complete, and the state says
    /// what is; false: more is needed, or (with a status that is not <see cref="NoiseRecordStatus.Incomplete"/>) the record is refused.
    /// </summary>
    public bool TryTake(ref Span<byte> stream, out NoiseRecordStatus status)
    {
        status = NoiseRecordStatus.Incomplete;
        int take = Math.Min(stream.Length, _partNeeded - _partBytes);
        stream[..take].CopyTo(((Span<byte>)_part)[_partBytes..]);
        stream = stream[take..];
        _partBytes += take;
        if (State == NoiseReceiverState.Header)
        {
            status = NoiseRecord.TryRead(((ReadOnlySpan<byte>)_part)[.._partBytes], out NoiseRecord record);
            return status == NoiseRecordStatus.Ok && TryBegin(record, out status);
        }

        return _partBytes == _partNeeded;
    }

    /// <summary>The handshake message that is complete.</summary>
    public bool TryReadHandshake()
    {
        bool valid = _handshake.TryRead(((ReadOnlySpan<byte>)_part)[.._partBytes], default, out _);
        NextHeader();
        return valid;
    }

    /// <summary>Both sides have each other's messages: data follows.</summary>
    public void Complete() => _handshake.Split(_cipher, null);

    /// <summary>Ciphertext was taken.</summary>
    public void Passed(int bytes)
    {
        DataBytes -= bytes;
        if (DataBytes == 0)
            AwaitTag();
    }

    /// <summary>The tag that is complete; false: the record is forged.</summary>
    public bool TryEndRecord()
    {
        bool valid = _cipher.Verify(((ReadOnlySpan<byte>)_part)[..AesGcmStream.TagBytes]);
        NextHeader();
        return valid;
    }

    private bool TryBegin(NoiseRecord record, out NoiseRecordStatus status)
    {
        status = NoiseRecordStatus.Ok;
        if (record.Type == NoiseRecordType.Data == (_handshake.Done < NoiseHandshake.Messages))
        {
            status = NoiseRecordStatus.BadType;
            return false;
        }

        _partBytes = 0;
        if (record.Type == NoiseRecordType.Handshake)
        {
            State = NoiseReceiverState.Handshake;
            _partNeeded = _handshake.Done == 0 ? NoiseHandshake.FirstBytes : NoiseHandshake.ThirdBytes;
            status = record.MessageBytes == _partNeeded ? NoiseRecordStatus.Ok : NoiseRecordStatus.BadLength;
            return status == NoiseRecordStatus.Ok;
        }

        _cipher.Begin(_nonce++, default);
        State = NoiseReceiverState.Data;
        DataBytes = record.MessageBytes - AesGcmStream.TagBytes;
        if (DataBytes == 0)
            AwaitTag();
        return true;
    }

    private void AwaitTag()
    {
        State = NoiseReceiverState.Tag;
        _partBytes = 0;
        _partNeeded = AesGcmStream.TagBytes;
    }

    private void NextHeader()
    {
        State = NoiseReceiverState.Header;
        _partBytes = 0;
        _partNeeded = NoiseRecord.HeaderBytes;
    }

    [InlineArray(PartBytes)]
    private struct Part
    {
        private byte _first;
    }
}

/// <summary>What the bytes that come next belong to.</summary>
internal enum NoiseReceiverState : byte
{
    Header,
    Handshake,
    Data,
    Tag,
}
