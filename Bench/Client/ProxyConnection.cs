using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;

namespace FastExit.Bench.Client;

/// <summary>
/// One proxied TCP connection as the application's side sees it: an outcome of opening, a stream in, messages out. Safe for one reader
/// and one writer beside the engine's thread; the internal members belong to the engine's thread.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Neither the semaphore nor the token source makes a wait handle or a timer.")]
internal sealed class ProxyConnection : IMessageOwner
{
    private readonly ClientEngine _engine;
    private readonly Pipe _received = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private readonly SemaphoreSlim _window;
    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource<ConnectOutcome> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _windowAfterConnect;
    private readonly Queue<OutgoingMessage> _inFlight = new();
    private int _heldCredit;
    private long _unread;

    public ProxyConnection(ClientEngine engine, ulong id, string hostPort, ClientSettings settings)
    {
        _engine = engine;
        Id = id;
        HostPort = hostPort;
        int early = Math.Min(settings.EarlyWindow, settings.ConnectionWindow);
        _window = new SemaphoreSlim(early);
        _windowAfterConnect = settings.ConnectionWindow - early;
        Ordered = new OrderedBuffer(settings.ReorderBytes, settings.ReorderMessages);
    }

    public ulong Id { get; }

    public string HostPort { get; }

    /// <summary>Completes with the first answer of the service; never faults.</summary>
    public Task<ConnectOutcome> Opened => _opened.Task;

    /// <summary>
    /// What the destination sends, in order; completes when it has closed, faults with <see cref="IOException"/> when the connection failed.
    /// Report what was taken with <see cref="Consumed"/>.
    /// </summary>
    public PipeReader Input => _received.Reader;

    /// <summary>Why an open connection failed; null while it has not.</summary>
    public string? FailureReason { get; private set; }

    internal bool Failed { get; private set; }

    bool IMessageOwner.Abandoned => Failed;

    internal bool Connected { get; private set; }

    internal bool LocalClosed { get; set; }

    internal bool RemoteClosed { get; private set; }

    internal ulong NextSequence { get; set; }

    internal OrderedBuffer Ordered { get; }

    internal long LastHeard { get; set; }

    internal long LastSent { get; set; }

    /// <summary>Until when the service has to answer the request to connect; 0 when it has.</summary>
    internal long ConnectDeadline { get; set; }

    /// <summary>It was refused without a reason, and the reason may still come until then; 0 otherwise.</summary>
    internal long ReasonDeadline { get; set; }

    internal long Unread => Volatile.Read(ref _unread);

    /// <summary>Since when too much lies unread; 0 when it does not.</summary>
    internal long StalledSince { get; set; }

    /// <summary>Sends one message; waits while too much is unacknowledged.</summary>
    /// <param name="payload">Not used by the caller any more.</param>
    /// <exception cref="IOException">The connection has failed.</exception>
    public async ValueTask SendAsync(ArraySegment<byte> payload)
    {
        try
        {
            await _window.WaitAsync(_ended.Token).ConfigureAwait(false);
            try
            {
                await _engine.MessageBudget.WaitAsync(_ended.Token).ConfigureAwait(false);
            }
            catch
            {
                _window.Release();
                throw;
            }
        }
        catch (OperationCanceledException)
        {
            throw new IOException("the connection has failed");
        }

        _engine.Post(new EngineCommand(EngineCommandKind.Data, this, payload));
    }

    /// <summary>The application sends no more; it may go on receiving.</summary>
    public void CompleteSending() => _engine.Post(new EngineCommand(EngineCommandKind.Complete, this, default));

    /// <summary>The application is gone, or done in both directions.</summary>
    public void Close() => _engine.Post(new EngineCommand(EngineCommandKind.Close, this, default));

    public void Consumed(int bytes) => Interlocked.Add(ref _unread, -bytes);

    internal void SetConnected()
    {
        Connected = true;
        ConnectDeadline = 0;
        ReasonDeadline = 0;
        if (_windowAfterConnect + _heldCredit > 0)
            _window.Release(_windowAfterConnect + _heldCredit);
        _opened.TrySetResult(ConnectOutcome.Success);
    }

    internal void Push(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || Failed)
            return;
        Interlocked.Add(ref _unread, bytes.Length);
        Span<byte> target = _received.Writer.GetSpan(bytes.Length);
        bytes.CopyTo(target);
        _received.Writer.Advance(bytes.Length);

        // The pipe never pauses its writer, so this is complete at once; memory is bounded by the SURBs that are handed out.
        ValueTask<FlushResult> flushed = _received.Writer.FlushAsync();
        if (flushed.IsCompleted)
            _ = flushed.GetAwaiter().GetResult();
    }

    internal void SetRemoteClosed()
    {
        RemoteClosed = true;
        _received.Writer.Complete();
    }

    /// <summary>The engine knows it no more: an orderly end when both sides have closed, a failure otherwise.</summary>
    internal void End(ConnectOutcome outcome)
    {
        if (!(LocalClosed && RemoteClosed))
            Fail(outcome);
    }

    internal void Fail(ConnectOutcome outcome)
    {
        if (Failed)
            return;
        Failed = true;
        FailureReason = outcome.Reason;
        _opened.TrySetResult(outcome);
        if (!RemoteClosed)
            _received.Writer.Complete(new IOException(outcome.Reason));
        _ended.Cancel();
    }

    /// <summary>A message of the stream, in the order of its sequence number.</summary>
    internal void Track(OutgoingMessage message) => _inFlight.Enqueue(message);

    /// <summary>
    /// A message of the stream is done with. The window opens only at its old end: behind one lost message, however many later ones are
    /// acknowledged, the receiver keeps a limited number.
    /// </summary>
    public void Settled(OutgoingMessage message)
    {
        message.IsSettled = true;
        if (message.IsData)
            _engine.MessageBudget.Release();
        while (_inFlight.TryPeek(out OutgoingMessage? oldest) && oldest.IsSettled)
        {
            _inFlight.Dequeue();
            if (oldest.IsData)
                OpenWindow();
        }
    }

    void IMessageOwner.GivenUp() => _engine.GiveUp(this);

    /// <summary>A message that was never sent.</summary>
    internal void ReturnCredit()
    {
        OpenWindow();
        _engine.MessageBudget.Release();
    }

    // Before the service has connected, an ack only means that the message lies in its small store for early data: the window stays shut.
    private void OpenWindow()
    {
        if (Connected)
            _window.Release();
        else
            _heldCredit++;
    }
}
