import './base.css';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';

const root = document.getElementById('root');
if (root === null) throw new TypeError('the document has no #root');
createRoot(root).render(<App />);
