using System.Net;
using System.Net.Sockets;
using FastExit.Crypto.Noise;
using FastExit.MixLink;
using FastExit.Topology;

namespace FastExit.Tests.MixLink;

/// <summary>A mix node that speaks Noise with the link under test, message by message, so that a test can spoil any of them.</summary>
internal sealed class NoisePeer : IDisposable
{
    private readonly NoiseHandshake _handshake = new();
    private readonly AesGcmStream _cipher = new();
    private ulong _nonce;

    public NoisePeer(LinkFixture link, string? from = null) => Socket = link.Connect(from);

    public static NoiseIdentity Identity { get; } = new(Enumerable.Repeat((byte)7, 32).ToArray());

    public Socket Socket { get; }

    /// <summary>A topology in which nodes at these addresses have the key of <see cref="Identity"/>.</summary>
    public static NetworkTopology Topology(params IPEndPoint[] nodes) => new(
        1,
        [.. nodes.Select((address, i) => new TopologyNode(
            [.. Enumerable.Repeat((byte)(i + 1), 32)], [.. Enumerable.Repeat((byte)(i + 1), 32)], address, TopologyRole.Mix1)
        { NoiseKey = Identity.PublicKey.ToArray() })]);

    public static byte[] Record(NoiseRecordType type, ReadOnlySpan<byte> message)
    {
        byte[] record = new byte[NoiseRecord.HeaderBytes + message.Length];
        new NoiseRecord(type, message.Length).Write(record);
        message.CopyTo(record.AsSpan(NoiseRecord.HeaderBytes));
        return record;
    }

    /// <summary>The first record of a handshake with whoever has this key.</summary>
    public byte[] First(ReadOnlySpan<byte> responder)
    {
        Identity.Initiate(_handshake, responder);
        return Message();
    }

    /// <summary>Reads the answer and makes the last record.</summary>
    public byte[] Last(LinkFixture link)
    {
        byte[] answer = new byte[NoiseRecord.HeaderBytes + NoiseHandshake.SecondBytes];
        for (int have = 0; have < answer.Length;)
        {
            link.Until(() => Socket.Available > 0);
            have += Socket.Receive(answer.AsSpan(have));
        }

        if (!_handshake.TryRead(answer.AsSpan(NoiseRecord.HeaderBytes), default, out _))
            throw new InvalidDataException("the answer is wrong");
        byte[] last = Message();
        _handshake.Split(_cipher, null);
        return last;
    }

    public NoisePeer Open(LinkFixture link)
    {
        Socket.Send(First(Identity.PublicKey));
        Socket.Send(Last(link));
        return this;
    }

    /// <summary>One data record.</summary>
    public byte[] Seal(ReadOnlySpan<byte> plaintext)
    {
        byte[] record = new byte[plaintext.Length + NoiseRecord.OverheadBytes];
        new NoiseRecord(NoiseRecordType.Data, plaintext.Length + AesGcmStream.TagBytes).Write(record);
        _cipher.Begin(_nonce++, default);
        _cipher.Encrypt(plaintext, record.AsSpan(NoiseRecord.HeaderBytes));
        _cipher.Finish(record.AsSpan(NoiseRecord.HeaderBytes + plaintext.Length));
        return record;
    }

    public void Dispose() => Socket.Dispose();

    private byte[] Message()
    {
        byte[] message = new byte[NoiseHandshake.ThirdBytes];
        _handshake.TryWrite(default, message, out int written);
        return Record(NoiseRecordType.Handshake, message.AsSpan(0, written));
    }
}
