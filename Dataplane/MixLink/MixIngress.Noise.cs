using FastExit.Cores;
using FastExit.Crypto.Noise;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using FastExit.Topology;

namespace FastExit.MixLink;

// Noise as responder (mix-link.md §2). Records are decrypted as they come, straight into slots; their frames go on when the record's
// tag was right. A handshake costs 0.2 ms, so each second has a number of them: one for everybody, and one of their own for nodes.
internal sealed partial class MixIngress
{
    private const int AnswerBytes = 64;
    private const long HandshakeScanMilliseconds = 50;

    private readonly NoiseIdentity? _identity;
    private readonly NoiseReceiver[] _receivers;
    private readonly PinnedRegion _answers;
    private HashSet<EndpointAddress> _noiseAddresses = [];
    private TokenBucket _nodeHandshakes;
    private TokenBucket _otherHandshakes;
    private int _receiverCount;
    private int _handshaking;
    private long _nextHandshakeScan;

    /// <summary>From now on these nodes are known; connections that are open are left alone.</summary>
    public void Use(NetworkTopology topology)
    {
        var addresses = new HashSet<EndpointAddress>();
        foreach (TopologyNode node in topology.Nodes)
        {
            if (node.NoiseKey is null)
                continue;
            addresses.Add(EndpointAddress.From(node.MixAddress).Unmapped().WithPort(0));
            foreach (System.Net.IPAddress address in node.OtherAddresses)
                addresses.Add(EndpointAddress.From(new System.Net.IPEndPoint(address, 0)).Unmapped());
        }

        _noiseAddresses = addresses;
    }

    public void OnSend(in Completion completion)
    {
        int index = CompletionKind.IndexOf(completion.UserData);
        ref IngressConnection connection = ref _connections[index];
        if (connection.State == IngressState.Free || !CompletionKind.SameGeneration(completion.UserData, connection.Generation))
            return;
        connection.Sending = false;
        if (connection.State == IngressState.Open && completion.Result != NoiseRecord.HeaderBytes + NoiseHandshake.SecondBytes)
            BeginClose(index, ref connection);
        else
            Close(index, ref connection);
    }

    private void Take(int index, ref IngressConnection connection, Span<byte> stream, long now)
    {
        if (connection.Protocol == LinkProtocol.Unknown && !TryChoose(index, ref connection, stream[0], now))
            return;
        if (connection.Protocol == LinkProtocol.Plain)
            Decode(index, ref connection, stream, null, now);
        else
            TakeRecords(index, ref connection, stream, now);
    }

    private bool TryChoose(int index, ref IngressConnection connection, byte first, long now)
    {
        if (_identity is not null && first == NoiseRecord.Version)
        {
            connection.Protocol = LinkProtocol.Handshake;
            connection.Receiver = _receiverCount > 0 ? _receivers[--_receiverCount] : new NoiseReceiver();
            connection.Receiver.Start(_identity);
            connection.RecordStarted = now;
            _handshaking++;
            return true;
        }

        bool isFrame = first is FrameHeader.LegacyVersion or FrameHeader.KeyRotationVersion;
        bool accepted = _identity is null || _settings.AcceptPlain switch
        {
            "always" => true,
            "never" => false,
            _ => !connection.IsNoiseNode,
        };
        if (isFrame && !accepted)
        {
            _counters.Increment(Counter.MixLink_PlainRefused);
            BeginClose(index, ref connection);
            return false;
        }

        connection.Protocol = LinkProtocol.Plain;
        return true;
    }

    private void TakeRecords(int index, ref IngressConnection connection, Span<byte> stream, long now)
    {
        NoiseReceiver receiver = connection.Receiver!;
        while (!stream.IsEmpty && connection.State == IngressState.Open)
        {
            if (receiver.State == NoiseReceiverState.Data)
            {
                Span<byte> piece = stream[..Math.Min(stream.Length, receiver.DataBytes)];
                stream = stream[piece.Length..];
                if (connection.Fault == FrameStatus.Ok)
                    Decode(index, ref connection, piece, receiver.Cipher, now);
                else
                    receiver.Cipher.Decrypt(piece, piece);
                receiver.Passed(piece.Length);
                continue;
            }

            if (!receiver.IsInRecord && connection.Protocol == LinkProtocol.Noise)
                connection.RecordStarted = now;
            NoiseReceiverState state = receiver.State;
            if (!receiver.TryTake(ref stream, out NoiseRecordStatus status))
            {
                if (status != NoiseRecordStatus.Incomplete)
                    Refuse(index, ref connection, status);
            }
            else if (state == NoiseReceiverState.Handshake)
            {
                TakeHandshake(index, ref connection, receiver, now);
            }
            else if (state == NoiseReceiverState.Tag)
            {
                EndRecord(index, ref connection, receiver, now);
            }
        }
    }

    private void Refuse(int index, ref IngressConnection connection, NoiseRecordStatus status)
    {
        _counters.Increment(status switch
        {
            NoiseRecordStatus.BadVersion => Counter.MixLink_BadRecordVersion,
            NoiseRecordStatus.BadPattern => Counter.MixLink_BadRecordPattern,
            NoiseRecordStatus.BadType => Counter.MixLink_BadRecordType,
            _ => Counter.MixLink_BadRecordLength,
        });
        BeginClose(index, ref connection);
    }

    private void TakeHandshake(int index, ref IngressConnection connection, NoiseReceiver receiver, long now)
    {
        bool begins = receiver.Handshake.Done == 0;
        if (begins && !(connection.IsNoiseNode ? ref _nodeHandshakes : ref _otherHandshakes)
            .TryTake(_settings.HandshakesPerSecond, _settings.HandshakesPerSecond, now))
        {
            _counters.Increment(Counter.MixLink_HandshakesLimited);
            BeginClose(index, ref connection);
            return;
        }

        Span<byte> answer = _answers.Slice((long)index * AnswerBytes, AnswerBytes);
        if (!receiver.TryReadHandshake()
            || (begins && !receiver.Handshake.TryWrite(default, answer[NoiseRecord.HeaderBytes..], out _)))
        {
            _counters.Increment(Counter.MixLink_HandshakesRefused);
            BeginClose(index, ref connection);
            return;
        }

        if (begins)
        {
            new NoiseRecord(NoiseRecordType.Handshake, NoiseHandshake.SecondBytes).Write(answer);
            connection.Sending = true;
            _ring.PrepareSend(
                connection.Direct, _answers, (long)index * AnswerBytes, NoiseRecord.HeaderBytes + NoiseHandshake.SecondBytes,
                waitAll: true, CompletionKind.Pack(CompletionKind.MixSend, connection.Generation, index));
            return;
        }

        receiver.Complete();
        connection.Protocol = LinkProtocol.Noise;
        _handshaking--;
        _counters.Increment(Counter.MixLink_Handshakes);
    }

    private void EndRecord(int index, ref IngressConnection connection, NoiseReceiver receiver, long now)
    {
        if (!receiver.TryEndRecord())
        {
            _counters.Increment(Counter.MixLink_RecordsForged);
            BeginClose(index, ref connection);
            return;
        }

        _counters.Increment(Counter.MixLink_RecordsReceived);
        if (connection.HeldFrames > 0)
        {
            _counters.Add(Counter.MixLink_FramesReceived, connection.HeldFrames);
            connection.HeldFrames = 0;
            _connections.Prove(index, now);
            for (SlotHandle slot = _connections.TakeHeld(index); !slot.IsNone; slot = _connections.TakeHeld(index))
                _stage.Enqueue(slot, now);
        }

        if (connection.Fault != FrameStatus.Ok)
            RefuseFrame(index, ref connection);
    }

    private void TickHandshakes(long now)
    {
        if (_handshaking == 0 || now < _nextHandshakeScan)
            return;
        _nextHandshakeScan = now + HandshakeScanMilliseconds;
        long limit = (long)_settings.HandshakeTimeout.TotalMilliseconds;
        for (int i = 0; i < _connections.Touched; i++)
        {
            ref IngressConnection connection = ref _connections[i];
            if (connection.State != IngressState.Open || connection.Protocol != LinkProtocol.Handshake
                || now - connection.RecordStarted <= limit)
                continue;
            _counters.Increment(Counter.MixLink_HandshakeTimeouts);
            BeginClose(i, ref connection);
        }
    }

    private void GiveBackReceiver(ref IngressConnection connection)
    {
        if (connection.Receiver is not { } receiver)
            return;
        receiver.End();
        _receivers[_receiverCount++] = receiver;
        connection.Receiver = null;
    }
}
