using System.Runtime.CompilerServices;
using FastExit.Memory;
using FastExit.Native.Sockets;
using FastExit.Resolution;

namespace FastExit.NetworkRequester;

/// <summary>A `host:port` on its way to the control plane. Blittable: travels through a ring.</summary>
internal struct GateQuestion
{
    public const int MaximumBytes = 300;

    public long Connection;
    public int Bytes;
    public Text HostPort;

    [InlineArray(MaximumBytes)]
    public struct Text
    {
        private byte _first;
    }
}

/// <summary>
/// Where cores have destinations resolved and judged: one thread takes their questions off the rings, .NET's pool does the waiting,
/// verdicts go back by ring and signal. The cores' side takes no lock and allocates nothing; here allocation is allowed.
/// </summary>
internal sealed class DestinationDesk : IDisposable
{
    private readonly DestinationResolver _resolver;
    private readonly TimeSpan _limit;
    private readonly CoreGate[] _gates;
    private readonly EventSignal _signal = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;

    public DestinationDesk(DestinationResolver resolver, int cores, int capacityPerCore, TimeSpan limit)
    {
        _resolver = resolver;
        _limit = limit;
        _gates = new CoreGate[cores];
        for (int i = 0; i < cores; i++)
            _gates[i] = new CoreGate(capacityPerCore, _signal);
        _thread = new Thread(Serve) { IsBackground = true, Name = "destinations" };
        _thread.Start();
    }

    public CoreGate Gate(int core) => _gates[core];

    public void Dispose()
    {
        _stop.Cancel();
        _signal.Signal();
        _thread.Join();
        _stop.Dispose();
        foreach (CoreGate gate in _gates)
            gate.Dispose();
        _signal.Dispose();
    }

    private void Serve()
    {
        while (!_stop.IsCancellationRequested)
        {
            _signal.Wait();
            foreach (CoreGate gate in _gates)
            {
                while (gate.Questions.TryPop(out GateQuestion question))
                    _ = AnswerAsync(gate, question);
            }
        }
    }

    private async Task AnswerAsync(CoreGate gate, GateQuestion question)
    {
        var verdict = new GateVerdict { Connection = question.Connection };
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            limit.CancelAfter(_limit);
            DestinationVerdict answer = await _resolver
                .ResolveAsync(((ReadOnlySpan<byte>)question.HostPort)[..question.Bytes], limit.Token).ConfigureAwait(false);
            verdict.Outcome = answer.Outcome switch
            {
                DestinationOutcome.Allowed => GateOutcome.Allowed,
                DestinationOutcome.DeniedByPolicy => GateOutcome.DeniedByPolicy,
                DestinationOutcome.DeniedByGuard => GateOutcome.DeniedByGuard,
                DestinationOutcome.NameNotFound => GateOutcome.NameNotFound,
                DestinationOutcome.Malformed => GateOutcome.Malformed,
                _ => GateOutcome.ResolverFailed,
            };
            verdict.Addresses = (byte)Math.Min(answer.Endpoints.Count, GateVerdict.MaximumAddresses);
            for (int i = 0; i < verdict.Addresses; i++)
                verdict.List[i] = EndpointAddress.From(answer.Endpoints[i]);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Whatever went wrong, the connection that waits must hear of it.
            verdict.Outcome = GateOutcome.ResolverFailed;
        }

        if (!_stop.IsCancellationRequested)
            gate.Answer(verdict);
    }
}

/// <summary>One core's counter at the <see cref="DestinationDesk"/>.</summary>
internal sealed class CoreGate : IDestinationGate, IDisposable
{
    private readonly SpscRing<GateVerdict> _verdicts;
    private readonly EventSignal _desk;
    private readonly Lock _answering = new();
    private int _outstanding;

    public CoreGate(int capacity, EventSignal desk)
    {
        Questions = new SpscRing<GateQuestion>(capacity);
        _verdicts = new SpscRing<GateVerdict>(capacity);
        _desk = desk;
    }

    /// <summary>Read by the desk's thread alone.</summary>
    public SpscRing<GateQuestion> Questions { get; }

    /// <summary>Raised when verdicts wait; the core reads it through its ring.</summary>
    public EventSignal Signal { get; } = new();

    public bool TryAsk(long connection, ReadOnlySpan<byte> hostPort)
    {
        // No more questions than verdicts fit: the way back is never full.
        if (_outstanding == _verdicts.Capacity || hostPort.Length > GateQuestion.MaximumBytes)
            return false;
        var question = new GateQuestion { Connection = connection, Bytes = hostPort.Length };
        hostPort.CopyTo(question.HostPort);
        if (!Questions.TryPush(question))
            return false;
        _outstanding++;
        _desk.Signal();
        return true;
    }

    /// <summary>On the core's thread.</summary>
    public bool TryTake(out GateVerdict verdict)
    {
        if (!_verdicts.TryPop(out verdict))
            return false;
        _outstanding--;
        return true;
    }

    /// <summary>From any thread of the control plane; the lock is among those, the core never takes it.</summary>
    public void Answer(in GateVerdict verdict)
    {
        lock (_answering)
            _verdicts.TryPush(verdict);
        Signal.Signal();
    }

    public void Dispose() => Signal.Dispose();
}
