using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;

namespace FastExit.Bench.TunPath;

/// <summary>
/// A mixnet without mixing: credit never ends, and what a shard sends its one client comes out at once, in the slot it lies in, as what
/// a client would send with the same bundle.
/// </summary>
internal sealed class InstantMixnet(CoreMemory memory) : IReplyPath
{
    public const int Peer = 0;

    private const int Endless = 1 << 20;
    private const int LongestRequestHeader = 32;

    private readonly Queue<InboundMessage> _messages = new(256);
    private readonly byte[] _answer = new byte[65536];
    private int _answerBytes;

    public int Backlog => _messages.Count;

    /// <summary>The shard's last answer that is no data.</summary>
    public ReadOnlySpan<byte> Answer => _answer.AsSpan(0, _answerBytes);

    public bool TryPeerFor(in Recipient recipient, out int peer)
    {
        peer = Peer;
        return false;
    }

    public bool IsAnonymous(int peer) => true;

    public void Retain(int peer)
    {
    }

    public void Release(int peer)
    {
    }

    public int Credit(int peer) => Endless;

    public void SendInPlace(
        int peer, SlotHandle slot, int messageOffset, int messageBytes, long connection,
        int retransmissions = IReplyPath.RetransmissionsOfSetting) =>
        _messages.Enqueue(new InboundMessage(slot, messageOffset, messageBytes, peer));

    public int Send(int peer, ReadOnlySpan<byte> message, long connection)
    {
        message.CopyTo(_answer);
        _answerBytes = message.Length;
        return 1;
    }

    /// <summary>The oldest bundle as a client's request; the caller owns its slot.</summary>
    public bool TryTake(out InboundMessage request)
    {
        if (!_messages.TryDequeue(out request))
            return false;
        Span<byte> slot = memory.Slot(request.Slot);
        if (IprResponse.TryRead(slot.Slice(request.Offset, request.Bytes), out IprResponse response) != IprReadStatus.Ok)
            throw new InvalidOperationException("the shard sent what no client can read");
        int bundle = request.Offset + response.BundleOffset;
        Span<byte> header = stackalloc byte[LongestRequestHeader];
        IprRequestWriter.TryWriteDataHeader(header, IprEnvelope.Raw, response.BundleBytes, out int headerBytes);
        header[..headerBytes].CopyTo(slot[(bundle - headerBytes)..]);
        request = new InboundMessage(request.Slot, bundle - headerBytes, headerBytes + response.BundleBytes, Peer);
        return true;
    }
}
